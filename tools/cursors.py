"""Ask the real server at 60 places in three small projects, and count what is right, wrong and silent.

python tools/cursors.py [--half tuned|untouched] [--model NAME_OR_FOLDER] [--json] [--show]

The places and their answers are in tests/data/cursors/cursors.toml. Each place has a server of its own, with the
default options, and a copy of its project in which the rest of its line is missing. So nothing knows the answer. It
asks as while typing, and then as by request. A suggestion counts by its first line; blanks do not count.

`--show` prints what was shown at the tuned places. The others are not to be looked at.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cg2ls.evaluation.lsp_client import LspClient

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "data" / "cursors"
TRIGGERS = {"typing": 2, "request": 1}
"""How it is asked, and `InlineCompletionTriggerKind` of LSP."""

TIMEOUT_S = 120.0

Verdict = Literal["right", "wrong", "silent"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong", "silent")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of a project whose rest is deleted.

    Attributes:
        half: "tuned" or "untouched".
        file: path below the folder of the projects.
        at: beginning of the line, up to the cursor.
        also: other right answers than what was deleted.
    """

    half: str
    file: str
    at: str
    also: tuple[str, ...] = ()

    def lines_that_begin(self) -> list[int]:
        """Return the numbers of the lines with this beginning."""
        lines = (FOLDER / self.file).read_text("utf-8").split("\n")
        return [number for number, line in enumerate(lines) if line.startswith(self.at)]

    @property
    def deleted(self) -> str:
        """The rest of the line."""
        lines = (FOLDER / self.file).read_text("utf-8").split("\n")
        return lines[self.lines_that_begin()[0]][len(self.at) :]

    def cut_text(self) -> str:
        """Return the file without the rest of the line."""
        lines = (FOLDER / self.file).read_text("utf-8").split("\n")
        lines[self.lines_that_begin()[0]] = self.at
        return "\n".join(lines)


def read_places() -> list[Place]:
    """Return all places."""
    listed = tomllib.loads((FOLDER / "cursors.toml").read_text("utf-8"))["cursor"]
    return [Place(**{**each, "also": tuple(each.get("also", ()))}) for each in listed]


def first_line(text: str) -> str:
    """Return the first line of a text with single blanks."""
    return " ".join(text.split("\n")[0].split())


def judge(place: Place, shown: str) -> Verdict:
    """Judge a suggestion; "" is silent."""
    if not shown.strip():
        return "silent"
    right = {first_line(each) for each in (place.deleted, *place.also)}
    return "right" if first_line(shown) in right else "wrong"


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); all of 0 to 1 without observations."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    spread = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - spread), min(1.0, middle + spread)


def ask(place: Place, command: Sequence[str]) -> dict[str, str]:
    """Return what a new server shows at a place, by how it is asked."""
    with tempfile.TemporaryDirectory() as temporary:
        project, name = place.file.split("/")
        folder = Path(temporary) / project
        shutil.copytree(FOLDER / project, folder)
        text = place.cut_text()
        (folder / name).write_text(text, "utf-8")
        uri, line = (folder / name).as_uri(), place.lines_that_begin()[0]
        with LspClient([*command], timeout=TIMEOUT_S) as client:
            client.initialize(workspaceFolders=[{"uri": folder.as_uri(), "name": project}])
            client.open(uri, text)
            client.wait_for("window/logMessage", "Memory of")
            shown = {}
            for trigger, kind in TRIGGERS.items():
                items = (client.inline(uri, line, len(place.at), kind) or {}).get("items", [])
                shown[trigger] = str(items[0]["insertText"]) if items else ""
            client.leave()
    return shown


def main() -> int:
    """Ask at every place and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--half", choices=("tuned", "untouched"))
    parser.add_argument("--model", metavar="NAME_OR_FOLDER")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--show", action="store_true", help="print the suggestions at tuned places")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "cg2ls", "--stdio"]
    command += ["--model", arguments.model] if arguments.model else []
    counts: dict[tuple[str, str], Counter[Verdict]] = {}
    places = [place for place in read_places() if arguments.half in (None, place.half)]
    for number, place in enumerate(places, 1):
        if sys.stderr.isatty():
            print(f"\r{number} of {len(places)}", end="\n" if number == len(places) else "", file=sys.stderr)
        for trigger, text in ask(place, command).items():
            verdict = judge(place, text)
            counts.setdefault((place.half, trigger), Counter())[verdict] += 1
            if arguments.show and place.half == "tuned":
                print(f"{verdict:7} {trigger:8} {place.at.strip()}⟦{text}⟧", flush=True)
    print(json.dumps(_as_json(counts), indent=1) if arguments.json else _as_table(counts))
    return 0


def _as_json(counts: dict[tuple[str, str], Counter[Verdict]]) -> list[dict[str, object]]:
    return [
        {"half": half, "asked": trigger, **{verdict: found[verdict] for verdict in VERDICTS}}
        for (half, trigger), found in counts.items()
    ]


def _as_table(counts: dict[tuple[str, str], Counter[Verdict]]) -> str:
    lines = ["half       asked     right  wrong  silent  right, 95 % interval"]
    for (half, trigger), found in counts.items():
        low, high = wilson(found["right"], found.total())
        numbers = "".join(
            f"{found[verdict]:{width}}" for verdict, width in zip(VERDICTS, (6, 7, 8), strict=True)
        )
        lines.append(f"{half:11}{trigger:9}{numbers}  {low:.2f} to {high:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
