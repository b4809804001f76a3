"""A language server that keeps texts and answers, and does one thing wrong: `fake_server.py FAULT WHEN`.

Faults: `none`, `loses` an answer, `diverges` (leaves a change out), `forgets` a document, `dies`, `hangs`, `lies` about
an answer's range, `unknown` (loses a text and reports it), `stubborn` (and never takes it back), `status` (exits
with status 3), `refuses` with an error, `untold` (does not report its texts).
It goes wrong at the completion request number WHEN.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

FAULT, WHEN = sys.argv[1], int(sys.argv[2])
Json = dict[str, Any]


def read() -> bytes | None:
    """The next message's body; None at the end."""
    length = 0
    while (line := sys.stdin.buffer.readline()).strip():
        length = int(line.partition(b":")[2])
    return sys.stdin.buffer.read(length) if line else None


def write(message: Json) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


class Server:
    def __init__(self) -> None:
        self.texts: dict[str, str | None] = {}
        self.asked = 0
        self.wrong = False

    def offset(self, text: str, position: Json) -> int:
        lines = text.split("\n")
        line = min(int(position["line"]), len(lines))
        start = sum(len(each) + 1 for each in lines[:line])
        if line == len(lines):
            return len(text)
        units = lines[line].encode("utf-16-le")[: 2 * int(position["character"])]
        return start + len(units.decode("utf-16-le"))

    def change(self, uri: str, changes: Any) -> None:
        for change in changes or ():
            place, new, text = change.get("range"), change.get("text"), self.texts[uri]
            if not isinstance(new, str):
                self.texts[uri] = None
            elif not place:
                self.texts[uri] = new
            elif text is not None:
                start, end = self.offset(text, place["start"]), self.offset(text, place["end"])
                self.texts[uri] = text[:start] + new + text[end:]

    def notified(self, method: str, params: Any) -> None:
        document = params.get("textDocument") if isinstance(params, dict) else None
        uri = document.get("uri") if isinstance(document, dict) else None
        if method == "textDocument/didOpen":
            self.texts[uri] = document.get("text")
        elif method == "textDocument/didClose":
            self.texts.pop(uri, None)
        elif method == "textDocument/didChange" and uri in self.texts:
            if self.wrong and FAULT == "stubborn":
                return
            if self.wrong and FAULT == "diverges":
                self.wrong = False
                return
            self.change(uri, params.get("contentChanges"))
        if self.wrong and FAULT == "stubborn":
            self.texts = dict.fromkeys(self.texts)

    def complete(self, identity: Any, params: Any) -> None:
        try:
            uri, position = params["textDocument"]["uri"], params["position"]
            assert uri in self.texts
        except (TypeError, KeyError, AssertionError):
            write({"id": identity, "error": {"code": -32602, "message": "odd"}})
            return
        self.asked += 1
        if self.asked == WHEN:
            self.wrong = True
            if FAULT == "dies":
                print("a last word", file=sys.stderr, flush=True)
                sys.exit(7)
            if FAULT == "hangs":
                sys.stdin.buffer.read()
            if FAULT == "loses":
                return
            if FAULT == "refuses":
                write({"id": identity, "error": {"code": -32603, "message": "a fault inside"}})
                return
            if FAULT == "forgets":
                self.texts.clear()
            if FAULT in ("unknown", "stubborn"):
                self.texts = dict.fromkeys(self.texts)
                say = f"The text of {uri} is unknown until it is sent whole or opened again: the test asked for it."
                write({"method": "window/logMessage", "params": {"type": 2, "message": say}})
            if FAULT == "lies":
                position = {"line": position["line"] + 1, "character": 0}
        item = {"insertText": "x", "range": {"start": position, "end": position}}
        write({"id": identity, "result": {"items": [item]}})

    def documents(self) -> list[Json]:
        return [
            {
                "uri": uri,
                "known": text is not None,
                "sha256": hashlib.sha256((text or "").encode()).hexdigest(),
            }
            for uri, text in self.texts.items()
        ]

    def asked_for(self, identity: Any, method: str, params: Any) -> None:
        if method == "textDocument/inlineCompletion":
            self.complete(identity, params)
        elif method == "cg2ls/documents" and FAULT != "untold":
            write({"id": identity, "result": self.documents()})
        elif method == "cg2ls/status":
            write({"id": identity, "result": {"state": "ready"}})
        elif method in ("initialize", "shutdown"):
            write({"id": identity, "result": None})
        else:
            write({"id": identity, "error": {"code": -32601, "message": "no such method"}})


def main() -> int:
    server = Server()
    while (body := read()) is not None:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            continue
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            continue
        if message["method"] == "exit":
            return 3 if FAULT == "status" else 0
        if "id" in message:
            server.asked_for(message["id"], message["method"], message.get("params"))
        else:
            server.notified(message["method"], message.get("params"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
