"""Plays an editor against the real server: opens a file, types, and shows the ghost text.

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
LOADING_SECONDS = 120.0

CURSORS = (
    "        return self.price * ",
    "        if quantity > ",
    "        return sum(",
    "            self.items[name] = ",
    "            inventory.add(",
    "    with path.open(",
    "        print(item.name, ",
)
"""Beginnings of lines of the sample, each of which one line has; the rest of the line is deleted."""

TYPED = "        item.quantity -= quantity"
"""The line that is typed one key at a time."""


@dataclass
class Editor:
    """One document in one editor.

    Attributes:
        client: the server.
        uri: of the document.
        lines: what the editor shows.
        milliseconds: from each request to its answer.
        shown: how many answers had text.
    """

    client: LspClient
    uri: str
    lines: list[str]
    version: int = 1
    milliseconds: list[float] = field(default_factory=list)
    shown: int = 0

    def set_line(self, number: int, text: str) -> None:
        """Replaces a line, as an edit of that line alone."""
        self.version += 1
        span = {
            "start": {"line": number, "character": 0},
            "end": {"line": number, "character": len(self.lines[number])},
        }
        self.client.change(self.uri, self.version, {"range": span, "text": text})
        self.lines[number] = text

    def ghost(self, number: int) -> str:
        """Asks for ghost text at a line's end; "" for none."""
        began = time.perf_counter()
        answer = self.client.inline(self.uri, number, len(self.lines[number]))
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        text = answer["items"][0]["insertText"] if answer and answer["items"] else ""
        self.shown += bool(text)
        return text


def main() -> int:
    """Runs the demo; 1 if the server left, could not load its model or completed nothing."""
    parser = argparse.ArgumentParser(description="Show completions of a sample file, with their latency.")
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "cg2ls", "--stdio"]
    if arguments.model:
        command += ["--model", arguments.model]
    with LspClient(command, timeout=LOADING_SECONDS) as client:
        try:
            return play(client)
        except ServerGoneError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1


def play(client: LspClient) -> int:
    """The whole session; gives back the exit status."""
    began = time.perf_counter()
    client.initialize()
    source = SAMPLE.read_text(encoding="utf-8")
    client.open(SAMPLE.as_uri(), source, LANGUAGE)
    if problem := loading_problem(client):
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


def loading_problem(client: LspClient) -> str:
    """Waits until the model is ready; "" or why it is not going to be."""
    while True:
        for method, params in client.notifications:
            if method == "window/showMessage":
                return str(params["message"])
            if method == "window/logMessage" and "ready" in params["message"]:
                return ""
        client.receive()


def jump(editor: Editor, beginning: str) -> None:
    """Deletes the rest of one line, shows what is proposed instead, and puts the line back."""
    number = line_that_begins(editor, beginning)
    whole = editor.lines[number]
    editor.set_line(number, beginning)
    text = editor.ghost(number)
    for line in editor.lines[max(0, number - CONTEXT_LINES) : number]:
        print(f"    {line}")
    print(f"  > {beginning}{dim(text)}   [{editor.milliseconds[-1]:.0f} ms]\n")
    editor.set_line(number, whole)


def type_line(editor: Editor) -> None:
    """Types one line key by key, asking after every key."""
    number = line_that_begins(editor, TYPED)
    start = len(TYPED) - len(TYPED.lstrip())
    print(f"typing {TYPED.strip()!r}:")
    for line in (TYPED[:end] for end in range(start, len(TYPED) + 1)):
        editor.set_line(number, line)
        text = editor.ghost(number)
        print(f"  > {line}{dim(text)}   [{editor.milliseconds[-1]:.0f} ms]")


def line_that_begins(editor: Editor, beginning: str) -> int:
    """Number of the first line that begins so."""
    numbers: Iterator[int] = (i for i, line in enumerate(editor.lines) if line.startswith(beginning))
    return next(numbers)


def dim(text: str) -> str:
    """Ghost text as a terminal shows it, or in brackets elsewhere."""
    if not text:
        return ""
    text = text.replace("\n", "\n" + " " * len("  > "))
    return f"\x1b[2m{text}\x1b[0m" if sys.stdout.isatty() else f"⟦{text}⟧"


if __name__ == "__main__":
    sys.exit(main())
