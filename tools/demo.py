"""Play an editor against the real server: open files, jump to places, type a line, and print the ghost text.

python tools/demo.py [--model NAME_OR_FOLDER]

First someone writes three passages of a project: a copy of this repository's own package that never had them. Then two
files without a project are opened at seven places each. Nothing is fitted to either: no rule, gate, prompt or test
reads the samples, and the passages are the first three that `cg2ls replay` draws.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cg2ls
from cg2ls.evaluation.lsp_client import LspClient, ServerGoneError
from cg2ls.evaluation.simulation.simulated_user import Effort, sample_passages, write_passage
from cg2ls.evaluation.simulation.sources import SourceFile, collect_sources
from cg2ls.evaluation.simulation.typist import PartialFile

SAMPLES = Path(__file__).parent / "samples"
LANGUAGE = "python"
CONTEXT_LINES = 3
LOADING_TIMEOUT_S = 120.0
LOOK_S = 0.5
"""Seconds between arriving at a place and asking for ghost text, in which a reader finds the line."""

PROJECT = "cg2ls"
PASSAGES = 3
"""Passages that are written in the project."""

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


@dataclass(frozen=True)
class Suggestion:
    """Ghost text, and how many characters after the cursor it replaces."""

    text: str = ""
    replace_length: int = 0


@dataclass
class Document:
    """One document in an editor.

    Attributes:
        client: the client of the server.
        path: the document's file.
        version: the document's version; 0 until it is open.
        milliseconds: time from each request to its answer.
    """

    client: LspClient
    path: Path
    version: int = field(default=0, init=False)
    milliseconds: list[float] = field(default_factory=list, init=False)

    @property
    def uri(self) -> str:
        """The document's URI."""
        return self.path.as_uri()

    def change(self, text: str, span: dict[str, Any] | None = None) -> None:
        """Open the document with a text, or replace a range of it, or all of it."""
        self.version += 1
        if self.version == 1:
            self.client.open(self.uri, text, LANGUAGE)
        else:
            self.client.change(self.uri, self.version, {"text": text} | ({"range": span} if span else {}))

    def ask_at(self, line: int, character: int, trigger: int = TYPING) -> Suggestion:
        """Ask for ghost text."""
        began = time.perf_counter()
        answer = self.client.inline(self.uri, line, character, trigger)
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        if not answer or not answer["items"]:
            return Suggestion()
        item = answer["items"][0]
        end = item["range"]["end"]["character"] if item.get("range") else character
        return Suggestion(item["insertText"], max(0, end - character))

    def close(self) -> None:
        """Close the document."""
        self.client.notify("textDocument/didClose", {"textDocument": {"uri": self.uri}})


@dataclass
class Sample(Document):
    """A document that is edited by lines.

    Attributes:
        lines: the lines that the editor shows.
    """

    lines: list[str]

    def set_line(self, number: int, text: str) -> None:
        """Replace a line, as an edit of that line alone."""
        end = {"line": number, "character": len(self.lines[number])}
        self.change(text, {"start": {"line": number, "character": 0}, "end": end})
        self.lines[number] = text

    def focus(self, number: int) -> None:
        """Tell the server that the cursor stands at a line's end, as the editors do when it moves without an edit."""
        position = {"line": number, "character": len(self.lines[number])}
        self.client.notify("textDocument/didFocus", {"textDocument": {"uri": self.uri}, "position": position})

    def ask_at_end(self, number: int, trigger: int = TYPING) -> str:
        """Ask for ghost text at a line's end; return "" for none."""
        return self.ask_at(number, len(self.lines[number]), trigger).text


@dataclass
class Writing(Document):
    """A document of which a passage is written, key by key.

    Attributes:
        asked: number of characters before the cursor at each request, and the text that was suggested there.
    """

    asked: list[tuple[int, str]] = field(default_factory=list, init=False)

    def ask(self, _: SourceFile, text: str, offset: int) -> Suggestion:
        """Send the document and ask for ghost text at an offset."""
        self.change(text)
        begin = text.rfind("\n", 0, offset) + 1
        found = self.ask_at(text.count("\n", 0, offset), offset - begin)
        self.asked.append((offset, found.text))
        return found

    def format_passage(self, target: str, start: int) -> str:
        """Return what was written, with the accepted text as ghost text.

        Args:
            target: the whole passage.
            start: offset of its first character in the document.
        """
        parts: list[str] = []
        done = 0
        ends = [offset - start for offset, _ in self.asked[1:]] + [len(target)]
        for (offset, text), after in zip(self.asked, ends, strict=True):
            at = offset - start
            taken = target[at:after]
            if len(taken) > 1 and text.startswith(taken):
                parts += [target[done:at], format_ghost_text(taken)]
                done = after
        return "".join([*parts, target[done:]]).strip("\n")


def main() -> int:
    """Run the demo; return 1 if the server ended, could not load its model or completed nothing."""
    parser = argparse.ArgumentParser(description="Show completions of two sample files, with their latency.")
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "cg2ls", "--stdio"]
    if arguments.model:
        command += ["--model", arguments.model]
    with (
        tempfile.TemporaryDirectory(prefix="cg2ls-demo-") as folder,
        LspClient(command, timeout=LOADING_TIMEOUT_S) as client,
    ):
        try:
            return play(client, Path(folder).resolve())
        except ServerGoneError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1


def play(client: LspClient, folder: Path) -> int:
    """Play the whole session in an empty folder; return the exit status."""
    print(
        "This plays an editor at the real server. What the server suggests is in "
        + format_ghost_text("grey")
        + ".\n"
    )
    began = time.perf_counter()
    files = copy_project(folder / PROJECT)
    client.initialize(workspaceFolders=[{"uri": (folder / PROJECT).as_uri(), "name": PROJECT}])
    if problem := wait_for_model(client):
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    print(f"server and model ready in {time.perf_counter() - began:.1f} s")
    efforts, writing = write_in_project(client, folder, files)
    print("Two files without a project, where the rest of one line is missing:")

    verdicts: dict[str, Counter[str]] = {}
    jumps: list[float] = []
    for name, cursors in CURSORS.items():
        print(f"\n{name}\n")
        for beginning, rest in cursors:
            editor = open_sample(client, folder, name, beginning + rest, beginning)
            verdicts.setdefault(name, Counter())[jump(editor, beginning, rest)] += 1
            jumps += editor.milliseconds
            editor.close()
    typing = type_line(client, folder, *TYPED)

    print()
    alone, keys = sum(one.alone for one in efforts), sum(one.keys for one in efforts)
    print(f"in the project {keys} keys instead of {alone}: {1 - keys / alone:.0%} saved")
    for name, found in verdicts.items():
        asked = sum(count for kind, count in found.items() if kind.startswith("by request"))
        print(f"{name:14} shown unasked: right {found['right']}, other {found['other']}, silent {asked}")
        right, other = found["by request: right"], found["by request: other"]
        print(f"{'':14} by request where silent: right {right}, other {other}")
    print(f"median at a new place {median(jumps):6.0f} ms   ({len(jumps)} requests)")
    typing += writing
    print(f"median while typing   {median(typing):6.0f} ms   ({len(typing)} requests)")
    print('"Other" is not what the file says there. Unasked, only what is sure enough is shown.')
    print("docs/reference/replay.md counts the same over thousands of places.")
    print_next_step()
    status = client.leave()
    has_shown = any(kind != "by request: silent" for found in verdicts.values() for kind in found)
    return 0 if has_shown and status == 0 else 1


def copy_project(project: Path) -> list[PartialFile]:
    """Write this package's files to a folder, without the passages to be written; return the files that lack one."""
    sources = collect_sources([Path(cg2ls.__file__).parent], {".py": LANGUAGE})
    files = sample_passages(sources, PASSAGES)
    texts = {source.path: source.text for source in sources} | {one.source.path: one.text for one in files}
    for path, text in texts.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, "utf-8")
    return files


def write_in_project(
    client: LspClient, folder: Path, files: list[PartialFile]
) -> tuple[list[Effort], list[float]]:
    """Write the missing passage of each file key by key, accepting what is right; return efforts and milliseconds."""
    efforts: list[Effort] = []
    milliseconds: list[float] = []
    for number, file in enumerate(files):
        (passage,) = file.passages
        start = file.get_cursor(passage)
        user = Writing(client, folder / PROJECT / file.source.path)
        user.change(file.text)
        if not number:
            client.wait_for("window/logMessage", "Memory of")
            print(f"project of {len(list(folder.rglob('*.py')))} files read\n")
        efforts.append(write_passage(file, user))
        print(f"{file.source.name}, {efforts[-1].keys} keys instead of {efforts[-1].alone}:\n")
        for line in user.format_passage(passage.target, start).split("\n"):
            print(f"    {line}")
        print()
        milliseconds += user.milliseconds
        user.close()
    return efforts, milliseconds


def open_sample(client: LspClient, folder: Path, name: str, line: str, shown: str) -> Sample:
    """Open a sample with one line shortened, in a folder of its own, so that the server never sees the rest.

    Args:
        client: the client of the server.
        folder: an existing folder.
        name: the sample's name.
        line: the whole line.
        shown: its beginning that is left.
    """
    lines = (SAMPLES / name).read_text("utf-8").split("\n")
    number = lines.index(line)
    lines[number] = shown
    sample = Sample(client, folder / f"{Path(name).stem}-{number}" / name, lines)
    sample.change("\n".join(lines))
    return sample


def wait_for_model(client: LspClient) -> str:
    """Wait until the model is ready; return "", or the reason if it cannot be loaded."""
    while True:
        for method, params in client.notifications:
            if method == "window/showMessage":
                return str(params["message"])
            if method == "window/logMessage" and "ready" in params["message"]:
                return ""
        client.receive()


def jump(editor: Sample, beginning: str, rest: str) -> str:
    """Ask at the end of a shortened line, by request too if nothing is shown; print the suggestion, return its kind."""
    number = editor.lines.index(beginning)
    editor.focus(number)
    time.sleep(LOOK_S)
    for line in editor.lines[max(0, number - CONTEXT_LINES) : number]:
        print(f"    {line}")
    for trigger in (TYPING, BY_REQUEST):
        text = editor.ask_at_end(number, trigger)
        verdict = "silent" if not text else "right" if text.split("\n")[0].strip() == rest else "other"
        how = "" if trigger == TYPING else "by request: "
        print(
            f"  > {beginning}{format_ghost_text(text)}   [{how}{verdict}, {editor.milliseconds[-1]:.0f} ms]"
        )
        if text:
            break
    print()
    return how + verdict


def type_line(client: LspClient, folder: Path, name: str, typed: str) -> list[float]:
    """Type one line key by key, with a request after every key; return the milliseconds of each answer."""
    start = len(typed) - len(typed.lstrip())
    editor = open_sample(client, folder, name, typed, typed[:start])
    number = editor.lines.index(typed[:start])
    print(f"typing {typed.strip()!r}:")
    for line in (typed[:end] for end in range(start, len(typed) + 1)):
        editor.set_line(number, line)
        text = editor.ask_at_end(number)
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
