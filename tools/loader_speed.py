"""Print how many tokens a second one core prepares for training, and how many cores a GPU needs.

python tools/loader_speed.py training/recipes/python-27m-served.toml --train SHARD

Processor time is counted, so other programs on the machine do not change the result.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from cg2_training.data.batches import TrainingRows, row_stream
from cg2_training.data.shards import ShardSet
from cg2_training.run.recipe import Recipe
from cg2ls.commandline import aligned

H100_TOKENS_PER_S = 445_000
"""Tokens per second of training at 125M parameters on one H100."""

BATCH_ROWS = 8
WARM_UP_ROWS = 16


def count_tokens_per_cpu_second(stream: TrainingRows, rows: int) -> float:
    """Return the tokens of batches divided by the processor seconds that preparing them took."""
    for first in range(0, WARM_UP_ROWS, BATCH_ROWS):
        stream.rows(first, BATCH_ROWS)
    began = time.process_time()
    for first in range(WARM_UP_ROWS, WARM_UP_ROWS + rows, BATCH_ROWS):
        stream.rows(first, BATCH_ROWS)
    return rows * stream.context / (time.process_time() - began)


def main() -> int:
    """Print a table of recipes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE")
    parser.add_argument("--train", type=Path, required=True, metavar="SHARD")
    parser.add_argument("--rows", type=int, default=240, help="rows to prepare (default: %(default)s)")
    parser.add_argument(
        "--gpu", type=int, default=H100_TOKENS_PER_S, help="tokens per second (default: %(default)s)"
    )
    arguments = parser.parse_args()
    # A loader is one process with one thread; it tokenizes the pieces of a row one after another.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    table = [["recipe", "context", "tokens/s a core", f"cores for {arguments.gpu:,} tokens/s"]]
    for path in arguments.recipes:
        recipe = Recipe.load(path)
        stream = row_stream(
            ShardSet.open(arguments.train), recipe.model.context_length, recipe.objective, recipe.run.seed
        )
        speed = count_tokens_per_cpu_second(stream, arguments.rows)
        table.append(
            [path.stem, f"{recipe.model.context_length:,}", f"{speed:,.0f}", f"{arguments.gpu / speed:.1f}"]
        )
    print(aligned(table, right=(1, 2, 3)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
