"""The arguments of `cg2ls replay`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cg2ls.renamed import add_renamed_argument

EPILOG = """\
examples:
  cg2ls replay src                          the model in use: its speed and its quality on these files
  cg2ls replay repos/* --json --picture replay.svg
  cg2ls replay repos/* --keys 0 --anchor 0  quality alone, with everything read anew at the cursor
  cg2ls replay repos/* --keys 0 --rules     what each rule does
  cg2ls replay repos/* --soak 20000         memory and latency over many keys
  cg2ls replay repos/* --chaos              a real server while its surroundings go wrong: is anything lost?
  cg2ls replay repos/* --against ctranslate2 --keys 200 [--reference-shape]

Each PATH is a repository. Choose code that the model was not trained on.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds the command, without what runs it."""
    made = commands.add_parser(
        "replay",
        help="measure latency and quality by replaying people who write files",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a repository, or a file")
    made.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to measure (default: the one in use)")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--verdicts", action="store_true", help="list every place in the JSON")
    made.add_argument("--picture", type=Path, metavar="FILE", help="write an SVG picture")
    made.add_argument(
        "--keys", type=_count, default=1000, metavar="N", help="keys of the typing trace (default: 1000)"
    )
    made.add_argument(
        "--positions", type=_count, default=400, metavar="N", help="places to judge (default: 400)"
    )
    made.add_argument(
        "--token-places",
        type=_count,
        default=0,
        metavar="N",
        help="places to judge token by token, in front of the true text (default: none; needs --json)",
    )
    made.add_argument(
        "--passages",
        type=_count,
        default=40,
        metavar="N",
        help="passages a simulated user writes (default: 40)",
    )
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of keys and places (default: 0)")
    made.add_argument("--threads", type=int, metavar="N", help="of the engine (default: as the server)")
    made.add_argument("--provider", choices=("auto", "cpu", "cuda"), default="cpu", help="default: cpu")
    made.add_argument("--rules", action="store_true", help="judge the places without each rule too")
    made.add_argument(
        "--soak",
        type=_count,
        default=0,
        metavar="KEYS",
        help="type so many keys and watch memory and latency",
    )
    made.add_argument(
        "--chaos",
        type=_count,
        nargs="?",
        const=20_000,
        default=0,
        metavar="KEYS",
        help="type so many keys (20000) at a real server whose surroundings go wrong, nothing else",
    )
    made.add_argument(
        "--against",
        default="",
        metavar="ENGINES",
        help="race ctranslate2 or optimum over the trace, nothing else",
    )
    made.add_argument(
        "--reference-shape",
        action="store_true",
        help="with --against: 8 layers x 512, vocabulary 51200, prompts of 1024 tokens; --model says what it says",
    )
    made.add_argument("--reference-python", type=Path, metavar="PATH", help="Python with cg2ls[reference]")
    made.add_argument("--work", type=Path, metavar="DIR", help="keep models converted for --against here")
    _add_ways_of_asking(made)
    return made


def _add_ways_of_asking(made: argparse.ArgumentParser) -> None:
    asked = made.add_argument_group("how the model is asked, instead of by its description and the defaults")
    asked.add_argument("--anchor", type=_count, metavar="N", help="most tokens from the anchor to the cursor")
    asked.add_argument(
        "--prefix-only", action="store_true", help="continue the text, without what stands below"
    )
    asked.add_argument("--context", type=int, metavar="N", help="tokens of prompt and answer")
    asked.add_argument("--line-tokens", type=int, metavar="N", help="most tokens of a line")
    asked.add_argument("--block-tokens", type=int, metavar="N", help="most tokens of a block")
    asked.add_argument("--max-lines", type=int, metavar="N", help="most lines shown")
    asked.add_argument("--min-confidence", type=float, metavar="P", help="least probability of what is shown")
    asked.add_argument(
        "--without",
        type=_names,
        default=frozenset(),
        metavar="NAMES",
        help="rules that are left out, with commas",
    )
    add_renamed_argument(
        asked,
        "--repository-memory",
        dest="memory",
        choices=("on", "off", "file"),
        default="on",
        help="repository memory: all files, none, or the document alone (default: on)",
    )
    asked.add_argument(
        "--context-tokens",
        type=_count,
        default=0,
        metavar="N",
        help="tokens of other files' text in front of the prompt (default: none)",
    )


def _count(raw: str) -> int:
    if not raw.isdecimal():
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number of 0 or more")
    return int(raw)


def _names(raw: str) -> frozenset[str]:
    return frozenset(name.strip() for name in raw.split(",") if name.strip())
