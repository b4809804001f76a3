"""Command-line arguments of the commands that read a recipe and a shard."""

from __future__ import annotations

import argparse
from pathlib import Path

from cg2_training.cli.arguments import index

SHARDS = "a token shard, or a folder with one for each source, which the recipe's [data] mixes"


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe, what overrides it, and the shard to train on."""
    parser.add_argument("recipe", type=Path, help="a recipe file (TOML)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE")
    parser.add_argument("--seed", type=index, help="same as --set run.seed=N")
    parser.add_argument("--train", type=Path, required=True, metavar="FOLDER", help=SHARDS)


def recipe_overrides(arguments: argparse.Namespace) -> list[str]:
    """What the command line changes in the recipe."""
    seed = [] if arguments.seed is None else [f"run.seed={arguments.seed}"]
    return [*arguments.overrides, *seed]
