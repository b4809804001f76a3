"""Play an editor against the real server: open files, jump to places, type a line, and print the ghost text.

python tools/demo.py [--model NAME_OR_FOLDER]

Nothing is fitted to the two samples: no rule, gate, prompt or test reads them. Each sample is a file that the server
sees for the first time, without a project around it, and each jump tells the server where the cursor stands.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from cg2ls.evaluation.lsp_client import LspClient, ServerGoneError

SAMPLES = Path(__file__).parent / "samples"
LANGUAGE = "python"
CONTEXT_LINES = 3
LOADING_TIMEOUT_S = 120.0
LOOK_S = 0.5
"""Seconds between arriving at a place and asking for ghost text, in which a reader finds the line."""

CURSORS: dict[str, tuple[tuple[str, str], ...]] = {
    "inventory.py": (
        ("        return self.price * ", "self.quantity"),
        ("        if quantity > ", "item.quantity:"),
        ("        return sum(", "item.total() for item in self.items.values())"),
        ("            self.items[name] = ", "Item(name, price, quantity)"),
        ("            inventory.add(", "name, float(price), int(quantity))"),
        ("    with path.open(", ") as file:"),
        ("        print(item.name, ", "item.quantity, item.total())"),
    ),
    "timetable.py": (
        ("        return self.planned ", "+ self.delay"),
        ("        return self.delay > ", "timedelta(minutes=5)"),
        ("        self.departures = sorted(", "departures, key=lambda departure: departure.planned)"),
        ("        return [departure for ", "departure in self.departures if departure.station == station]"),
        ("            if departure.expected ", ">= now:"),
        ("        rows = ", "json.load(file)"),
        ("        planned = datetime.", 'fromisoformat(row["planned"])'),
    ),
}
"""Beginnings of lines of each sample, each of one line, and their rest, which is deleted."""

TYPED = "inventory.py", "        item.quantity -= quantity"
"""The file and the line that is typed one key at a time."""


TYPING, BY_REQUEST = 2, 1
"""Who asks: `InlineCompletionTriggerKind` of LSP."""


@dataclass
class Editor:
    """One document in one editor.

    Attributes:
        client: the client of the server.
        uri: the document's URI.
        lines: the lines that the editor shows.
        version: the document's version.
        milliseconds: time from each request to its answer.
    """

    client: LspClient
    uri: str
    lines: list[str]
    version: int = 1
    milliseconds: list[float] = field(default_factory=list)

    def set_line(self, number: int, text: str) -> None:
        """Replace a line, as an edit of that line alone."""
        self.version += 1
        span = {
            "start": {"line": number, "character": 0},
            "end": {"line": number, "character": len(self.lines[number])},
        }
        self.client.change(self.uri, self.version, {"range": span, "text": text})
        self.lines[number] = text

    def focus(self, number: int) -> None:
        """Tell the server that the cursor stands at a line's end, as the editors do when it moves without an edit."""
        position = {"line": number, "character": len(self.lines[number])}
        self.client.notify("textDocument/didFocus", {"textDocument": {"uri": self.uri}, "position": position})

    def close(self) -> None:
        """Close the document."""
        self.client.notify("textDocument/didClose", {"textDocument": {"uri": self.uri}})

    def ask_ghost_text(self, number: int, trigger: int = TYPING) -> str:
        """Ask for ghost text at a line's end; return "" for none."""
        began = time.perf_counter()
        answer = self.client.inline(self.uri, number, len(self.lines[number]), trigger)
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        return answer["items"][0]["insertText"] if answer and answer["items"] else ""


def main() -> int:
    """Run the demo; return 1 if the server ended, could not load its model or completed nothing."""
    parser = argparse.ArgumentParser(description="Show completions of two sample files, with their latency.")
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
    print("This plays an editor at the real server: it opens files that the model never saw,")
    print("where the rest of one line is missing, and prints what would be shown there in grey.\n")
    began = time.perf_counter()
    client.initialize()
    if problem := wait_for_model(client):
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    print(f"server and model ready in {time.perf_counter() - began:.1f} s")

    verdicts: dict[str, Counter[str]] = {}
    jumps: list[float] = []
    for name, cursors in CURSORS.items():
        print(f"\n{name}\n")
        for beginning, rest in cursors:
            editor = open_sample(client, name, beginning + rest, beginning)
            verdicts.setdefault(name, Counter())[jump(editor, beginning, rest)] += 1
            jumps += editor.milliseconds
            editor.close()
    typing = type_line(client, *TYPED)

    print()
    for name, found in verdicts.items():
        asked = sum(count for kind, count in found.items() if kind.startswith("by request"))
        print(f"{name:14} shown unasked: right {found['right']}, other {found['other']}, silent {asked}")
        right, other = found["by request: right"], found["by request: other"]
        print(f"{'':14} by request where silent: right {right}, other {other}")
    print(f"median at a new place {median(jumps):6.0f} ms   ({len(jumps)} requests)")
    print(f"median while typing   {median(typing):6.0f} ms   ({len(typing)} requests)")
    print('"Other" is not what the file says there. Unasked, only what is sure enough is shown.')
    print("In your own project its files take part, and more is right (docs/reference/replay.md).")
    print_next_step()
    status = client.leave()
    has_shown = any(kind != "by request: silent" for found in verdicts.values() for kind in found)
    return 0 if has_shown and status == 0 else 1


def open_sample(client: LspClient, name: str, line: str, shown: str) -> Editor:
    """Open a sample with one line shortened, in a folder of its own, so that the server never sees the rest.

    Args:
        client: the client of the server.
        name: the sample's name.
        line: the whole line.
        shown: its beginning that is left.
    """
    lines = (SAMPLES / name).read_text("utf-8").split("\n")
    number = lines.index(line)
    lines[number] = shown
    folder = Path(tempfile.gettempdir()) / f"cg2ls-demo-{os.getpid()}-{number}"
    editor = Editor(client, (folder / name).as_uri(), lines)
    client.open(editor.uri, "\n".join(lines), LANGUAGE)
    return editor


def wait_for_model(client: LspClient) -> str:
    """Wait until the model is ready; return "", or the reason if it cannot be loaded."""
    while True:
        for method, params in client.notifications:
            if method == "window/showMessage":
                return str(params["message"])
            if method == "window/logMessage" and "ready" in params["message"]:
                return ""
        client.receive()


def jump(editor: Editor, beginning: str, rest: str) -> str:
    """Ask at the end of a shortened line, by request too if nothing is shown; print the suggestion, return its kind."""
    number = editor.lines.index(beginning)
    editor.focus(number)
    time.sleep(LOOK_S)
    for line in editor.lines[max(0, number - CONTEXT_LINES) : number]:
        print(f"    {line}")
    for trigger in (TYPING, BY_REQUEST):
        text = editor.ask_ghost_text(number, trigger)
        verdict = "silent" if not text else "right" if text.split("\n")[0].strip() == rest else "other"
        how = "" if trigger == TYPING else "by request: "
        print(
            f"  > {beginning}{format_ghost_text(text)}   [{how}{verdict}, {editor.milliseconds[-1]:.0f} ms]"
        )
        if text:
            break
    print()
    return how + verdict


def type_line(client: LspClient, name: str, typed: str) -> list[float]:
    """Type one line key by key, with a request after every key; return the milliseconds of each answer."""
    start = len(typed) - len(typed.lstrip())
    editor = open_sample(client, name, typed, typed[:start])
    number = editor.lines.index(typed[:start])
    print(f"typing {typed.strip()!r}:")
    for line in (typed[:end] for end in range(start, len(typed) + 1)):
        editor.set_line(number, line)
        text = editor.ask_ghost_text(number)
        print(f"  > {line}{format_ghost_text(text)}   [{editor.milliseconds[-1]:.0f} ms]")
    editor.close()
    return editor.milliseconds


def print_next_step() -> None:
    """Say what to do next, for the editors that are here."""
    print("\nNext: put it into your editor.")
    if shutil.which("code"):
        print("  VS Code        make vsix && code --install-extension editors/vscode/cg2ls-*.vsix")
    if shutil.which("nvim"):
        print("  Neovim         cg2ls neovim FOLDER, then add FOLDER to your plugin manager")
    print("  every editor   README.md, section 'In an editor'")


def format_ghost_text(text: str) -> str:
    """Format ghost text as a terminal shows it, or in brackets elsewhere."""
    if not text:
        return ""
    text = text.replace("\n", "\n" + " " * len("  > "))
    return f"\x1b[2m{text}\x1b[0m" if sys.stdout.isatty() else f"⟦{text}⟧"


if __name__ == "__main__":
    sys.exit(main())
