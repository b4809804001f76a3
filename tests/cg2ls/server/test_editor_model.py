"""A server process compared with a reference editor: after any message, texts are equal or declared unknown.

Every message may have an odd form. After each step all texts are compared, and every request is answered.
`CG2LS_EDITOR_EXAMPLES=300` makes it longer and tries other messages each time; `-s` shows how many were sent:

    CG2LS_EDITOR_EXAMPLES=300 python -m pytest tests/cg2ls/server/test_editor_model.py -s --timeout 0
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from tests.cg2ls.server.document_machine import (
    ANYTHING,
    BOOKS,
    CELL_TEXT,
    CELLS,
    JUNK,
    PLACE,
    VERSION,
    DocumentMachine,
    spelled,
    without,
)

LONG = int(os.environ.get("CG2LS_EDITOR_EXAMPLES", "0"))
EXAMPLES, STEPS = LONG or 16, 60 if LONG else 30


class Machine(DocumentMachine):
    """Sends messages of notebooks, settings and requests, too."""

    # notebooks: all cells are Python code

    def open_cells(self, cells: list[tuple[str, str]]) -> tuple[list[dict], list[dict]]:
        """The cells of a message, and their documents; the editor opens them."""
        for uri, text in cells:
            self.leave_notebooks(uri)
            self.editor.texts[uri] = text
        order = [{"kind": 2, "document": uri} for uri, _ in cells]
        return order, [
            {"uri": uri, "languageId": "python", "version": 1, "text": text} for uri, text in cells
        ]

    def leave_notebooks(self, uri: str) -> None:
        """A cell is in one notebook only, and once: this client sends odd messages, not contradictory ones."""
        for book, cells in list(self.editor.notebooks.items()):
            if uri in cells:
                self.close_notebook(book, named=True)

    @rule(book=BOOKS, cells=st.lists(st.tuples(CELLS, CELL_TEXT), max_size=3, unique_by=lambda cell: cell[0]))
    def open_notebook(self, book, cells) -> None:
        self.close_notebook(book, named=False)
        order, documents = self.open_cells(cells)
        notebook = {"uri": book, "cells": order or None, "version": None}
        self.notify(
            "notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": documents}
        )
        self.editor.notebooks[book] = [uri for uri, _ in cells]

    def splice(self, book: str, structure: object) -> None:
        change = {"cells": {"structure": structure}}
        self.notify("notebookDocument/didChange", {"notebookDocument": {"uri": book}, "change": change})

    @rule(
        data=st.data(),
        book=BOOKS,
        cell=CELLS,
        text=CELL_TEXT,
        start=st.integers(-1, 4),
        deleted=st.integers(0, 2) | st.just(2**32),
    )
    def change_order(self, data, book, cell, text, start, deleted) -> None:
        self.leave_notebooks(cell)
        if book not in self.editor.notebooks or book in self.editor.unordered:
            return
        order, documents = self.open_cells([(cell, text)])
        array = {"start": spelled(data, start), "deleteCount": spelled(data, deleted), "cells": order}
        cells = self.editor.notebooks[book]
        at = max(start, 0)
        gone = cells[at : at + deleted]
        self.splice(
            book, {"array": array, "didOpen": documents, "didClose": [{"uri": uri} for uri in gone] or None}
        )
        cells[at : at + deleted] = [cell]
        for uri in gone:
            self.editor.texts.pop(uri, None)

    @rule(
        book=BOOKS,
        structure=st.sampled_from(
            [5, {}, {"array": None}, {"array": {"start": 0}}, {"array": {"start": None, "deleteCount": 0}}]
        ),
    )
    def change_order_unreadably(self, book, structure) -> None:
        self.splice(book, structure)
        if book in self.editor.notebooks:
            self.editor.unordered.add(book)

    @rule(book=BOOKS, cell=CELLS, text=CELL_TEXT, version=VERSION)
    def write_cell(self, book, cell, text, version) -> None:
        edit = {
            "document": without({"uri": cell, "version": version}),
            "changes": [{"text": text, "range": None}],
        }
        change = {"cells": {"textContent": [edit], "structure": None, "data": 5}}
        self.notify("notebookDocument/didChange", {"notebookDocument": {"uri": book}, "change": change})
        self.editor.write(cell, text)

    @rule(book=BOOKS, cells=st.sampled_from([5, True, {"textContent": 7}]))
    def change_cells_unreadably(self, book, cells) -> None:
        self.notify(
            "notebookDocument/didChange", {"notebookDocument": {"uri": book}, "change": {"cells": cells}}
        )
        for cell in self.editor.notebooks.get(book, ()):
            self.editor.write(cell, None)
        if book in self.editor.notebooks and not isinstance(cells, dict):
            self.editor.unordered.add(book)

    @rule(book=BOOKS, change=JUNK)
    def change_nothing_of_a_notebook(self, book, change) -> None:
        self.notify("notebookDocument/didChange", {"notebookDocument": {"uri": book}, "change": change})

    @rule(book=BOOKS, named=st.booleans())
    def close_notebook(self, book, named) -> None:
        cells = self.editor.notebooks.pop(book, [])
        self.editor.unordered.discard(book)
        documents = [{"uri": uri} for uri in cells] if named else None
        params = {"notebookDocument": {"uri": book}, "cellTextDocuments": documents}
        self.notify("notebookDocument/didClose", params)
        for uri in cells:
            self.editor.texts.pop(uri, None)

    # everything else

    @rule(
        uri=ANYTHING,
        place=PLACE,
        version=VERSION,
        context=st.sampled_from([None, {}, {"triggerKind": 1}, {"triggerKind": 2}, {"triggerKind": "1"}, 5]),
    )
    def complete(self, uri, place, version, context) -> None:
        document = without({"uri": uri, "version": version})
        at = {"line": place[0], "character": place[1]}
        answer = self.ask(
            "textDocument/inlineCompletion", {"textDocument": document, "position": at, "context": context}
        )
        if uri not in self.editor.texts:
            assert answer["error"]["code"] == -32602
        elif self.editor.texts[uri] is None and answer.get("result"):
            assert answer["result"] == {"items": []}

    @rule(
        method=st.sampled_from(
            [
                "textDocument/inlineCompletion",
                "textDocument/completion",
                "workspace/executeCommand",
                "cg2ls/status",
                "x/y",
            ]
        ),
        params=st.fixed_dictionaries(
            {},
            optional={
                "textDocument": JUNK,
                "position": JUNK,
                "context": JUNK,
                "command": JUNK,
                "arguments": JUNK,
            },
        )
        | JUNK,
    )
    def ask_oddly(self, method, params) -> None:
        assert {"result", "error"} & self.ask(method, params).keys()

    @rule(command=st.sampled_from(["status", "pause", "resume", "showLog", "none"]), arguments=JUNK)
    def command(self, command, arguments) -> None:
        params = {"command": f"cg2ls.server.{command}", "arguments": arguments}
        assert {"result", "error"} & self.ask("workspace/executeCommand", params).keys()

    @rule(uri=ANYTHING, identity=JUNK)
    def cancel(self, uri, identity) -> None:
        type(self).sent += 3
        request = self.client.send_inline(uri, 0, 1)
        self.client.notify("$/cancelRequest", {"id": identity})
        self.client.notify("$/cancelRequest", {"id": request})
        while request not in self.client._answers:
            self.client.receive()
        type(self).answered += 1
        del self.client._answers[request]

    @rule(
        value=JUNK
        | st.sampled_from([{"cg2ls": {"enable": False}}, {"cg2ls": {}}, {"delayMs": 0, "maxLines": "x"}])
    )
    def configure(self, value) -> None:
        self.notify("workspace/didChangeConfiguration", {"settings": value})

    @rule(
        method=st.sampled_from(
            [
                *(
                    "workspace/didChangeConfiguration",
                    "workspace/didChangeWorkspaceFolders",
                    "$/setTrace",
                    "initialized",
                ),
                *(
                    "workspace/didChangeWatchedFiles",
                    "textDocument/didFocus",
                    "window/workDoneProgress/cancel",
                    "x/y",
                ),
                *("textDocument/didShowCompletion", "workspace/didRenameFiles", "notebookDocument/didSave"),
            ]
        ),
        params=st.fixed_dictionaries(
            {}, optional={"event": JUNK, "changes": JUNK, "value": JUNK, "token": JUNK}
        )
        | JUNK,
    )
    def notify_oddly(self, method, params) -> None:
        self.notify(method, params)

    @rule(added=st.booleans())
    def change_folders(self, added) -> None:
        folder = [{"uri": "file:///m", "name": None}]
        event = {"added": folder if added else None, "removed": None if added else folder}
        self.notify("workspace/didChangeWorkspaceFolders", {"event": event})

    @invariant()
    def has_the_same_texts(self) -> None:
        described = self.ask("cg2ls/documents", None)["result"]
        found = {
            each["uri"]: (each["known"], each["sha256"], each["before"], each["after"]) for each in described
        }
        assert found == self.editor.expected()

    def teardown(self) -> None:
        if not hasattr(self, "editor"):
            return
        for book in list(self.editor.notebooks):
            self.close_notebook(book, named=False)
        for uri in list(self.editor.texts):
            self.close(uri, 1)
        self.has_the_same_texts()
        self.ask("workspace/executeCommand", {"command": "cg2ls.server.resume"})


@pytest.fixture(scope="module")
def servers(lsp, random_model) -> Iterator[dict[str, object]]:
    """A server process for each encoding, whose engine answers at once."""
    clients = {}
    for encoding in ("utf-16", "utf-8", "utf-32"):
        client = lsp.LspClient(
            [sys.executable, "-m", "cg2ls.evaluation.stub_server", str(random_model)], timeout=60
        )
        clients[encoding] = client
        chosen = client.initialize(lsp.INLINE | {"general": {"positionEncodings": [encoding]}})
        assert chosen["capabilities"]["positionEncoding"] == encoding
        client.wait_for("window/logMessage", "ready")
    yield clients
    for client in clients.values():
        client.__exit__(None, None, None)


def test_the_servers_texts_are_the_editors_or_declared_unknown(servers):
    Machine.servers, Machine.sent, Machine.answered = servers, 0, 0
    limits = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=limits)
    print(f"{Machine.sent} messages sent, {Machine.answered} of them requests, all answered.")
    assert Machine.sent > 300
