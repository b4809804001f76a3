"""Shared command-line arguments, and argument types that refuse invalid numbers in one line."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def count(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _parse_int(text, 1)


def index(text: str) -> int:
    """Parse a whole number of at least 0."""
    return _parse_int(text, 0)


def amount(text: str) -> float:
    """Parse a finite number above 0."""
    value = _parse_float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def seconds(text: str) -> float:
    """Parse a finite number of at least 0."""
    value = _parse_float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {text}")
    return value


def share(text: str) -> float:
    """Parse a number between 0 and 1, both excluded."""
    value = _parse_float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return value


def _parse_int(text: str, min_value: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
    if value < min_value:
        raise argparse.ArgumentTypeError(f"must be at least {min_value}, not {value}")
    return value


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


SHARDS_HELP = "a token shard, or a folder with one for each source, mixed by the recipe's [data]"


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the recipe and its overrides."""
    parser.add_argument("recipe", type=Path, help="a recipe file (TOML)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="SECTION.KEY=VALUE",
        help="override of the recipe; can be repeated",
    )


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, its overrides, and the shards to train on."""
    add_recipe(parser)
    parser.add_argument("--seed", type=index, help="same as --set run.seed=N")
    parser.add_argument("--train", type=Path, required=True, metavar="FOLDER", help=SHARDS_HELP)


def recipe_overrides(arguments: argparse.Namespace) -> list[str]:
    """Return the overrides of the recipe on the command line."""
    seed = [] if arguments.seed is None else [f"run.seed={arguments.seed}"]
    return [*arguments.overrides, *seed]
