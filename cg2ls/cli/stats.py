"""`cg2ls stats`: print what was shown and accepted on this machine."""

from __future__ import annotations

import argparse
import json
from typing import Any

EPILOG = """\
examples:
  cg2ls stats --days 7          the last week
  cg2ls stats --json            the same numbers for programs
  cg2ls stats clear             remove all counts, own verdicts and the gate fitted on them
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "stats",
        help="count of what was shown and accepted on this machine",
        description="Counts by language and model, from a file that holds no text and stays on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("show", "clear"), default="show")
    parser.add_argument("--days", type=_parse_days, metavar="N", help="only the last N days, including today")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or clear the counts.

    Raises:
        StatsError: the counts cannot be read or removed.
    """
    from cg2ls.server.own_verdicts import own_gate, own_verdicts
    from cg2ls.server.stats import StatsFile, report, stats_file

    file = StatsFile(stats_file())
    if arguments.action == "clear":
        for each in (file, own_verdicts(), own_gate()):
            each.clear()
        print(f"{file.path} is empty.")
        return 0
    found = report(file.read(), days=arguments.days)
    if arguments.json:
        print(json.dumps({"file": str(file.path), **found}, indent=2))
    elif not found["total"]["requests"]:
        print(f"Nothing was counted yet; servers count in {file.path} while the option stats is true.")
    else:
        print(_format_table(found))
    return 0


def _format_table(found: dict[str, Any]) -> str:
    from cg2ls.commandline import aligned

    head = ("", "requests", "shown", "accepted", "in part", "rate", "saved", "p50 ms", "p95 ms")
    rows = [_format_row("all", found["total"])]
    for group in ("languages", "models"):
        if len(found[group]) > 1 or group == "languages":
            rows += [_format_row(name or "(no language)", counts) for name, counts in found[group].items()]
    return aligned([head, *rows], right=range(1, len(head)))


def _format_row(name: str, counts: dict[str, Any]) -> tuple[str, ...]:
    rate = counts["acceptance"]
    latency = [counts["latency_ms"][share] for share in ("p50", "p95")]
    return (
        name,
        *(str(counts[key]) for key in ("requests", "shown", "accepted", "partly_accepted")),
        "" if rate is None else f"{rate:.0%}",
        str(counts["saved_characters"]),
        *("" if value is None else f"≤ {value:g}" for value in latency),
    )


def _parse_days(raw: str) -> int:
    if not raw.isdecimal() or not 1 <= int(raw) <= 100_000:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number of days")
    return int(raw)
