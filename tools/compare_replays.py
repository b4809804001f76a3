"""Print how replays of the same positions differ, position by position, with 95 % intervals.

Paired differences are more precise than two separate intervals.

    cg2ls replay REPOSITORIES --keys 0 --passages 0 --json --verdicts --anchor 0 > cursor.json
    cg2ls replay REPOSITORIES --keys 0 --passages 0 --json --verdicts > anchored.json
    python tools/compare_replays.py cursor.json anchored.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cg2ls.commandline import aligned
from cg2ls.evaluation.quality.positions import NOTHING_TO_WRITE
from cg2ls.evaluation.statistics import bootstrap_interval

PLACE = ("file", "kind", "below", "offset")


def main() -> int:
    """Print the shares of the first report, and the difference of each other, with its 95 % interval."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("others", type=Path, nargs="+")
    arguments = parser.parse_args()
    first = read_verdicts(arguments.first)
    rows = [["", *SHARES], [arguments.first.stem, *(f"{compute_share(first, name):.4f}" for name in SHARES)]]
    for path in arguments.others:
        other = read_verdicts(path)
        if [identify(one) for one in first] != [identify(one) for one in other]:
            print(
                f"{path} does not have the same places as {arguments.first}; give both the same seed.",
                file=sys.stderr,
            )
            return 1
        rows.append([path.stem, *(f"{compute_share(other, name):.4f}" for name in SHARES)])
        rows.append(["  differs by", *(format_difference(first, other, name) for name in SHARES)])
    print(f"{len(first)} places")
    print(aligned(rows, right=range(1, len(SHARES) + 1)))
    return 0


SHARES = {
    "exact_line": lambda one: float(one["exact_line"]),
    "edit_similarity": lambda one: float(one["similarity"]),
    "shown": lambda one: float(one["shown"]),
    "shown_wrong": lambda one: float(one["shown"] and not one["exact_line"]),
}


def read_verdicts(path: Path) -> list[dict[str, Any]]:
    """Read the positions of a report."""
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["verdicts"]
    return found


def identify(verdict: dict[str, Any]) -> list[Any]:
    """Return the key that identifies a position."""
    return [verdict[key] for key in PLACE]


def is_counted(verdict: dict[str, Any], name: str) -> bool:
    """Tell whether a share counts this position."""
    return name in ("shown", "shown_wrong") or verdict["kind"] not in NOTHING_TO_WRITE


def compute_share(found: list[dict[str, Any]], name: str) -> float:
    """Return one share of one report."""
    values = [SHARES[name](one) for one in found if is_counted(one, name)]
    return sum(values) / len(values)


def format_difference(first: list[dict[str, Any]], other: list[dict[str, Any]], name: str) -> str:
    """Format the difference of the other report's share, with the interval over resampled files."""
    pairs = [(one, two) for one, two in zip(first, other, strict=True) if is_counted(one, name)]
    changes = [SHARES[name](two) - SHARES[name](one) for one, two in pairs]
    low, high = bootstrap_interval([one["file"] for one, _ in pairs], changes, [1.0] * len(pairs))
    return f"{sum(changes) / len(changes):+.4f} ({low:+.4f} {high:+.4f})"


if __name__ == "__main__":
    sys.exit(main())
