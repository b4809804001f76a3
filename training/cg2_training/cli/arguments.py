"""Command-line arguments that several commands share, and types that refuse zero and nonsense in one line."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def count(text: str) -> int:
    """Return a whole number of at least 1."""
    return _whole(text, 1)


def index(text: str) -> int:
    """Return a whole number of at least 0."""
    return _whole(text, 0)


def amount(text: str) -> float:
    """Return a finite number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def seconds(text: str) -> float:
    """Return a finite number of at least 0."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {text}")
    return value


def share(text: str) -> float:
    """Return a number between 0 and 1, neither of them included."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return value


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


SHARDS = "a token shard, or a folder with one for each source, which the recipe's [data] mixes"


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, what overrides it, and the shard to train on."""
    parser.add_argument("recipe", type=Path, help="a recipe file (TOML)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE")
    parser.add_argument("--seed", type=index, help="same as --set run.seed=N")
    parser.add_argument("--train", type=Path, required=True, metavar="FOLDER", help=SHARDS)


def recipe_overrides(arguments: argparse.Namespace) -> list[str]:
    """What the command line changes in the recipe."""
    seed = [] if arguments.seed is None else [f"run.seed={arguments.seed}"]
    return [*arguments.overrides, *seed]
