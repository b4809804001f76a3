"""A language server that answers what a file says, for what the real model cannot be made to say.

python fake_server.py ANSWER_FILE

The file holds JSON, read at every request: `items` (each `insertText`, and `covers`: characters right of the
cursor that are replaced) or null, and `delay_ms`. Every message that came is written to ANSWER_FILE.log.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ANSWERS = Path(sys.argv[1])
LOG = ANSWERS.with_name(ANSWERS.name + ".log")


def read() -> dict[str, Any] | None:
    """The next message; None at the end."""
    length = 0
    while line := sys.stdin.buffer.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def write(message: dict[str, Any]) -> None:
    """Sends a message."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def inline(position: dict[str, int]) -> Any:
    """The answer at a position."""
    answer = json.loads(ANSWERS.read_text(encoding="utf-8"))
    time.sleep(answer.get("delay_ms", 0) / 1000)
    if answer["items"] is None:
        return None
    items = []
    for item in answer["items"]:
        end = {**position, "character": position["character"] + item.get("covers", 0)}
        items.append({"insertText": item["insertText"], "range": {"start": position, "end": end}})
    return {"items": items}


def main() -> None:
    """Serves until `exit`."""
    while (message := read()) is not None:
        with LOG.open("a", encoding="utf-8") as log:
            log.write(json.dumps(message) + "\n")
        match message.get("method"):
            case "initialize":
                capabilities = {
                    "inlineCompletionProvider": {},
                    "textDocumentSync": 1,
                    "positionEncoding": "utf-16",
                }
                write({"id": message["id"], "result": {"capabilities": capabilities}})
            case "initialized":
                status = {"state": "ready", "message": "fake is ready.", "model": "fake"}
                write({"method": "cg2ls/status", "params": status})
            case "textDocument/inlineCompletion":
                write({"id": message["id"], "result": inline(message["params"]["position"])})
            case "exit":
                return
            case _ if "id" in message and "method" in message:
                write({"id": message["id"], "result": None})


main()
