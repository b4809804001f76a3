"""Messages about documents, odd ones among them, sent to a server and followed in the reference editor."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.cg2ls.server.reference_editor import Editor, width

DOCUMENTS = st.sampled_from(["file:///m/a.py", "file:///m/b c.py", "untitled:1", "file:///m/%C3%A9.lua"])
CELLS = st.sampled_from([f"vscode-notebook-cell:/m/n.ipynb#{number}" for number in range(4)])
BOOKS = st.sampled_from(["file:///m/n.ipynb", "file:///m/o.ipynb"])
ANYTHING = DOCUMENTS | CELLS
TEXT = st.text(alphabet="ab(:= \n\r\x0c\u2028é€😀\ud83d\ude00", max_size=12).map(
    lambda text: json.loads(json.dumps(text))  # two adjacent halves are one character in JSON
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


class DocumentMachine(RuleBasedStateMachine):
    """Sends messages about documents to a server and follows them in the reference editor."""

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
