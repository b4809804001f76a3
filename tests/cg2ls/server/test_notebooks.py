"""Cells: what the model reads around one, and that a client's edits of the notebook are followed."""

from __future__ import annotations

import pytest
from lsprotocol import types

from cg2ls.server.documents import Documents

BOOK = "file:///n.ipynb"
CODE, PROSE = types.NotebookCellKind.Code, types.NotebookCellKind.Markup


def opened(*cells: tuple[str, types.NotebookCellKind, str]) -> Documents:
    documents = Documents()
    made = []
    for number, (language, kind, text) in enumerate(cells):
        documents.open(types.TextDocumentItem(f"cell:{number}", language, 1, text))
        made.append(types.NotebookCell(kind=kind, document=f"cell:{number}"))
    documents.notebooks.open(BOOK, made)
    return documents


def text_around(documents: Documents, number: int) -> str:
    """The text the model gets, with the cell between marks."""
    snapshot = documents.snapshot(f"cell:{number}")
    return f"{snapshot.before}⟦{''.join(snapshot.lines)}⟧{snapshot.after}"


def test_text_of_neighbouring_cells_is_before_and_after_a_cell():
    documents = opened(("python", CODE, "import os"), ("python", CODE, "os."), ("python", CODE, "x = 1\n"))
    assert text_around(documents, 1) == "import os\n⟦os.⟧\nx = 1"


def test_markdown_cells_become_comments_where_a_hash_begins_one():
    documents = opened(("markdown", PROSE, "# Load\nthe data"), ("python", CODE, ""), ("markdown", PROSE, ""))
    assert text_around(documents, 1) == "# # Load\n# the data\n⟦⟧"
    documents = opened(("markdown", PROSE, "Load"), ("javascript", CODE, ""))
    assert text_around(documents, 1) == "⟦⟧"


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("%matplotlib inline\nimport os\n", "import os\n"),
        ("!pip install x\n", ""),
        ("%%bash\nls\n", ""),
        ("a = b % c\n", "a = b % c\n"),
    ],
)
def test_notebook_magics_are_not_read(cell, read):
    assert opened(("python", CODE, cell), ("python", CODE, "")).snapshot("cell:1").before == read


def test_cells_in_another_language_are_not_read():
    documents = opened(("sql", CODE, "SELECT 1"), ("python", CODE, "x"))
    assert text_around(documents, 1) == "⟦x⟧"


def test_positions_are_those_of_the_cell():
    snapshot = opened(
        ("python", CODE, "one\ntwo"), ("python", CODE, "a\nbc"), ("python", CODE, "z")
    ).snapshot("cell:1")
    offset = snapshot.offset(types.Position(1, 1))
    assert snapshot.text[:offset] == "one\ntwo\na\nb"
    assert snapshot.position(1, offset) == types.Position(1, 1)


def test_cells_are_added_removed_and_moved():
    documents = opened(("python", CODE, "a"), ("python", CODE, "b"), ("python", CODE, "c"))
    documents.notebooks.splice(BOOK, 0, 1, [])
    assert text_around(documents, 2) == "b\n⟦c⟧"
    assert text_around(documents, 0) == "⟦a⟧"
    documents.notebooks.splice(BOOK, 2, 0, [types.NotebookCell(kind=CODE, document="cell:0")])
    assert text_around(documents, 0) == "b\nc\n⟦a⟧"
    documents.notebooks.splice(BOOK, 99, 5, [types.NotebookCell(kind=CODE, document="cell:none")])
    documents.notebooks.splice("file:///other", 0, 1, [])
    assert text_around(documents, 0) == "b\nc\n⟦a⟧"
    assert set(documents.notebooks.close(BOOK)) == {"cell:1", "cell:2", "cell:0", "cell:none"}
    assert text_around(documents, 0) == "⟦a⟧"


def cell_item(number: int, text: str) -> dict:
    return {
        "uri": f"vscode-notebook-cell:/n.ipynb#{number}",
        "languageId": "python",
        "version": 1,
        "text": text,
    }


def test_edits_of_a_notebook_are_followed(slow):
    client = slow({"notebookDocument": {"synchronization": {}}})
    cells = [{"kind": 2, "document": cell_item(number, "")["uri"]} for number in range(3)]
    book = {"uri": BOOK, "notebookType": "jupyter-notebook", "version": 1, "cells": cells[:1]}
    client.notify(
        "notebookDocument/didOpen", {"notebookDocument": book, "cellTextDocuments": [cell_item(0, "a = 1")]}
    )
    structure = {
        "array": {"start": 1, "deleteCount": 0, "cells": cells[1:2]},
        "didOpen": [cell_item(1, "b = ")],
    }
    client.notify(
        "notebookDocument/didChange",
        {"notebookDocument": {"uri": BOOK, "version": 2}, "change": {"cells": {"structure": structure}}},
    )
    edit = {"document": {"uri": cells[0]["document"], "version": 2}, "changes": [{"text": "quick = 1"}]}
    client.notify(
        "notebookDocument/didChange",
        {"notebookDocument": {"uri": BOOK, "version": 3}, "change": {"cells": {"textContent": [edit]}}},
    )
    (item,) = client.inline(cells[1]["document"], 0, 4)["items"]
    assert item["insertText"] == "x"
    assert item["range"]["start"] == {"line": 0, "character": 4}
    client.notify("notebookDocument/didClose", {"notebookDocument": {"uri": BOOK}, "cellTextDocuments": []})
    answer = client.request("cg2ls/status", {"textDocument": {"uri": cells[1]["document"]}})
    assert answer["uri"] == ""


def test_notebooks_are_announced_to_clients_that_have_them(slow, start, random_model):
    result = start("--model", str(random_model)).initialize({"notebookDocument": {"synchronization": {}}})
    assert result["capabilities"]["notebookDocumentSync"]["notebookSelector"] == [{"notebook": "*"}]
