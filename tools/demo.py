"""Play an editor against the real server: open a file, type, and print the ghost text.

python tools/demo.py [--model NAME_OR_FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from cg2ls.evaluation.lsp_client import LspClient, ServerGoneError

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = Path(__file__).parent / "samples" / "inventory.py"
LANGUAGE = "python"
CONTEXT_LINES = 3
LOADING_TIMEOUT_S = 120.0

CURSORS = (
    "        return self.price * ",
    "        if quantity > ",
    "        return sum(",
    "            self.items[name] = ",
    "            inventory.add(",
    "    with path.open(",
    "        print(item.name, ",
)
"""Beginnings of lines of the sample, each of exactly one line; the rest of the line is deleted."""

TYPED = "        item.quantity -= quantity"
"""The line that is typed one key at a time."""


@dataclass
class Editor:
    """One document in one editor.

    Attributes:
        client: the client of the server.
        uri: the document's URI.
        lines: the lines that the editor shows.
        version: the document's version.
        milliseconds: time from each request to its answer.
        shown: number of answers with text.
    """

    client: LspClient
    uri: str
    lines: list[str]
    version: int = 1
    milliseconds: list[float] = field(default_factory=list)
    shown: int = 0

    def set_line(self, number: int, text: str) -> None:
        """Replace a line, as an edit of that line alone."""
        self.version += 1
        span = {
            "start": {"line": number, "character": 0},
            "end": {"line": number, "character": len(self.lines[number])},
        }
        self.client.change(self.uri, self.version, {"range": span, "text": text})
        self.lines[number] = text

    def ask_ghost_text(self, number: int) -> str:
        """Ask for ghost text at a line's end; return "" for none."""
        began = time.perf_counter()
        answer = self.client.inline(self.uri, number, len(self.lines[number]))
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        text = answer["items"][0]["insertText"] if answer and answer["items"] else ""
        self.shown += bool(text)
        return text


def main() -> int:
    """Run the demo; return 1 if the server ended, could not load its model or completed nothing."""
    parser = argparse.ArgumentParser(description="Show completions of a sample file, with their latency.")
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "cg2ls", "--stdio"]
    if arguments.model:
        command += ["--model", arguments.model]
    with LspClient(command, timeout=LOADING_TIMEOUT_S) as client:
        try:
            return play(client)
        except ServerGoneError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1


def play(client: LspClient) -> int:
    """Play the whole session; return the exit status."""
    began = time.perf_counter()
    client.initialize()
    source = SAMPLE.read_text(encoding="utf-8")
    client.open(SAMPLE.as_uri(), source, LANGUAGE)
    if problem := wait_for_model(client):
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    print(f"server and model ready in {time.perf_counter() - began:.1f} s\n")

    editor = Editor(client, SAMPLE.as_uri(), source.split("\n"))
    for beginning in CURSORS:
        jump(editor, beginning)
    jumps, editor.milliseconds = editor.milliseconds, []
    type_line(editor)

    print(f"\ncompleted {editor.shown} of {len(jumps) + len(editor.milliseconds)} requests")
    print(f"median at a new place {median(jumps):6.0f} ms   ({len(jumps)} requests)")
    print(
        f"median while typing   {median(editor.milliseconds):6.0f} ms   ({len(editor.milliseconds)} requests)"
    )
    status = client.leave()
    return 0 if editor.shown and status == 0 else 1


def wait_for_model(client: LspClient) -> str:
    """Wait until the model is ready; return "", or the reason if it cannot be loaded."""
    while True:
        for method, params in client.notifications:
            if method == "window/showMessage":
                return str(params["message"])
            if method == "window/logMessage" and "ready" in params["message"]:
                return ""
        client.receive()


def jump(editor: Editor, beginning: str) -> None:
    """Delete the rest of one line, print the suggestion, and restore the line."""
    number = find_line(editor, beginning)
    whole = editor.lines[number]
    editor.set_line(number, beginning)
    text = editor.ask_ghost_text(number)
    for line in editor.lines[max(0, number - CONTEXT_LINES) : number]:
        print(f"    {line}")
    print(f"  > {beginning}{format_ghost_text(text)}   [{editor.milliseconds[-1]:.0f} ms]\n")
    editor.set_line(number, whole)


def type_line(editor: Editor) -> None:
    """Type one line key by key, with a request after every key."""
    number = find_line(editor, TYPED)
    start = len(TYPED) - len(TYPED.lstrip())
    print(f"typing {TYPED.strip()!r}:")
    for line in (TYPED[:end] for end in range(start, len(TYPED) + 1)):
        editor.set_line(number, line)
        text = editor.ask_ghost_text(number)
        print(f"  > {line}{format_ghost_text(text)}   [{editor.milliseconds[-1]:.0f} ms]")


def find_line(editor: Editor, beginning: str) -> int:
    """Return the number of the first line with this beginning."""
    numbers: Iterator[int] = (i for i, line in enumerate(editor.lines) if line.startswith(beginning))
    return next(numbers)


def format_ghost_text(text: str) -> str:
    """Format ghost text as a terminal shows it, or in brackets elsewhere."""
    if not text:
        return ""
    text = text.replace("\n", "\n" + " " * len("  > "))
    return f"\x1b[2m{text}\x1b[0m" if sys.stdout.isatty() else f"⟦{text}⟧"


if __name__ == "__main__":
    sys.exit(main())
