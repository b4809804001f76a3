"""A server process beside a reference editor: whatever is sent, their texts are equal or declared unknown.

Every message may have an odd form. After each step all texts are compared, and every request is answered.
`CG2LS_EDITOR_EXAMPLES=300` makes it longer and tries other messages each time; `-s` shows how many were sent:

    CG2LS_EDITOR_EXAMPLES=300 python -m pytest tests/cg2ls/server/test_editor_model.py -s --timeout 0
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.cg2ls.server.reference_editor import Editor, width

LONG = int(os.environ.get("CG2LS_EDITOR_EXAMPLES", "0"))
EXAMPLES, STEPS = LONG or 16, 60 if LONG else 30

DOCUMENTS = st.sampled_from(["file:///m/a.py", "file:///m/b c.py", "untitled:1", "file:///m/%C3%A9.lua"])
CELLS = st.sampled_from([f"vscode-notebook-cell:/m/n.ipynb#{number}" for number in range(4)])
BOOKS = st.sampled_from(["file:///m/n.ipynb", "file:///m/o.ipynb"])
ANYTHING = DOCUMENTS | CELLS
TEXT = st.text(alphabet="ab(:= \n\r\x0c\u2028é€😀\ud83d\ude00", max_size=12).map(
    lambda text: json.loads(json.dumps(text))  # two halves that stand together are one character in JSON
)
CELL_TEXT = st.text(alphabet="ab(= \n", max_size=8)
NUMBER = st.integers(0, 6) | st.sampled_from([2**31 - 1, 2**31, 2**32 - 1, 2**53, 10**30])
PLACE = st.tuples(NUMBER, NUMBER)
NEAR = st.tuples(st.integers(0, 2), st.integers(0, 3))
VERSION = st.sampled_from([1, 2, 3, None, ..., "4", 5.0, 2**53, -1, True, "x", []])
LANGUAGE = st.sampled_from(["python", "lua", None, ..., 5, ""])
JUNK = st.sampled_from([None, 5, -1, 1.5, True, "x", [], {}, [None], {"uri": None}, 2**53])


def spelled(draw: st.DataObject, number: int) -> object:
    """A number as some client writes it."""
    return draw.draw(st.sampled_from([number, float(number) if number < 2**53 else number, str(number)]))


def without(sent: dict) -> dict:
    """An object without the members that are missing."""
    return {name: value for name, value in sent.items() if value is not ...}


class Machine(RuleBasedStateMachine):
    """Sends messages to a server and follows them in the reference editor."""

    servers: dict[str, object]
    sent = 0
    answered = 0

    @initialize(encoding=st.sampled_from(["utf-16", "utf-8", "utf-32"]), text=TEXT)
    def begin(self, encoding: str, text: str) -> None:
        self.client = self.servers[encoding]
        self.editor = Editor(encoding)
        self.open("file:///m/a.py", f"ab\n😀{text}\r\nc", "python", 1)

    def some_open(self, draw: st.DataObject) -> str:
        """A document that is open and known, if there is one."""
        known = sorted(uri for uri, text in self.editor.texts.items() if text is not None)
        return draw.draw(st.sampled_from(known) if known else ANYTHING)

    def notify(self, method: str, params: object) -> None:
        type(self).sent += 1
        self.client.notify(method, params)

    def ask(self, method: str, params: object) -> dict:
        """The answer of a request, an error or a result."""
        type(self).sent += 1
        request = self.client.send(method, params)
        while request not in self.client._answers:
            self.client.receive()
        type(self).answered += 1
        return self.client._answers.pop(request)

    @rule(uri=DOCUMENTS, text=TEXT, language=LANGUAGE, version=VERSION)
    def open(self, uri, text, language, version) -> None:
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": without(item)})
        self.editor.texts[uri] = text

    @rule(uri=DOCUMENTS, text=st.sampled_from([None, ..., 5, [], True]))
    def open_without_a_text(self, uri, text) -> None:
        self.notify("textDocument/didOpen", {"textDocument": without({"uri": uri, "text": text})})
        self.editor.texts[uri] = None

    def change(self, uri: str, version: object, changes: object) -> None:
        document = without({"uri": uri, "version": version})
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    @rule(
        data=st.data(),
        version=VERSION,
        edits=st.lists(st.tuples(PLACE, PLACE, TEXT), min_size=1, max_size=3),
    )
    def replace(self, data, version, edits) -> None:
        uri, changes = self.some_open(data), []
        for start, end, text in edits:
            ends = [
                dict(zip(("line", "character"), (spelled(data, at) for at in place), strict=True))
                for place in (start, end)
            ]
            changes.append({"range": {"start": ends[0], "end": ends[1]}, "rangeLength": None, "text": text})
            self.editor.edit(uri, start, end, text)
        self.change(uri, version, changes)

    @rule(
        data=st.data(), start=NEAR, end=NEAR, text=st.sampled_from(["", "x", "\ud83d", "\ude00", "\r", "\n"])
    )
    def type(self, data, start, end, text) -> None:
        uri = self.some_open(data)
        ends = [{"line": line, "character": character} for line, character in (start, end)]
        self.change(uri, 2, [{"range": {"start": ends[0], "end": ends[1]}, "text": text}])
        self.editor.edit(uri, start, end, text)

    @rule(data=st.data(), start=NEAR)
    def type_halves(self, data, start) -> None:
        uri = self.some_open(data)
        for after, half in enumerate("\ud83d\ude00"):
            line, character = start
            at = {"line": line, "character": character + after * width(half, self.editor.encoding)}
            self.change(uri, 2, [{"range": {"start": at, "end": at}, "text": half}])
            self.editor.edit(uri, (line, at["character"]), (line, at["character"]), half)

    @rule(
        uri=ANYTHING,
        line=st.sampled_from([-1, -5, 0, 1]),
        character=st.sampled_from([-1, -(2**31)]),
        text=TEXT,
    )
    def replace_before_the_beginning(self, uri, line, character, text) -> None:
        at = {"line": line, "character": character}
        self.change(uri, 2, [{"range": {"start": at, "end": {"line": 0, "character": 0}}, "text": text}])
        self.editor.edit(uri, (line, 0), (0, 0), text)

    @rule(
        uri=ANYTHING,
        version=VERSION,
        text=TEXT,
        odd=st.sampled_from([{}, {"range": None}, {"range": None, "rangeLength": 3}]),
        alone=st.booleans(),
    )
    def write_all(self, uri, version, text, odd, alone) -> None:
        whole = {"text": text, **odd}
        self.change(uri, version, whole if alone else [whole])
        self.editor.write(uri, text)

    @rule(data=st.data(), uri=ANYTHING, version=VERSION)
    def change_unreadably(self, data, uri, version) -> None:
        at = {"line": 0, "character": 0}
        odd = data.draw(
            st.sampled_from(
                [
                    *(None, 5, [None], [5], [{}], [{"text": None}], [{"text": 7, "range": None}]),
                    *([{"range": {"start": at}, "text": "x"}], [{"range": 5, "text": "x"}]),
                    [{"range": {"start": at, "end": {"line": 0, "character": None}}, "text": "x"}],
                    [{"range": {"start": {"line": 0.5, "character": 0}, "end": at}, "text": "x"}],
                    [{"text": "known"}, {"range": {"start": at, "end": at}}],
                ]
            )
        )
        self.change(uri, version, odd)
        self.editor.write(uri, None)

    @rule(uri=ANYTHING, text=TEXT)
    def change_as_a_request(self, uri, text) -> None:
        params = {"textDocument": {"uri": uri}, "contentChanges": [{"text": text}]}
        assert self.ask("textDocument/didChange", params).get("result", ...) is None
        self.editor.write(uri, text)

    @rule(uri=ANYTHING, escaped=st.booleans(), end=st.sampled_from([b"", b'"\xff"}', b'"}}}']))
    def damage(self, uri, escaped, end) -> None:
        params = {"textDocument": {"uri": uri}}
        text = json.dumps({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params})
        body = (text.replace("/", "\\/") if escaped else text).encode()[:-1] + end
        type(self).sent += 1
        self.client.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.editor.write(uri, None)

    @rule(uri=DOCUMENTS, times=st.integers(1, 2))
    def close(self, uri, times) -> None:
        for _ in range(times):
            self.notify("textDocument/didClose", {"textDocument": {"uri": uri, "version": None}})
        self.editor.texts.pop(uri, None)

    @rule(old=DOCUMENTS, new=DOCUMENTS, text=TEXT)
    def rename(self, old, new, text) -> None:
        self.close(old, 1)
        self.open(new, text, "python", 1)

    @rule(document=JUNK, method=st.sampled_from(["didOpen", "didChange", "didClose", "didSave"]))
    def speak_of_no_document(self, document, method) -> None:
        self.notify(f"textDocument/{method}", {"textDocument": document, "contentChanges": [{"text": "x"}]})

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
        """A cell is in one notebook only, and once: this test's client is odd, not mad."""
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
        client = lsp.LspClient([sys.executable, "-m", "cg2ls.server.stand_in", str(random_model)], timeout=60)
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
    print(f"{Machine.sent} messages driven, {Machine.answered} of them requests, all answered.")
    assert Machine.sent > 300
