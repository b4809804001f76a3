"""`cg2-train show-batch`: rows as text, or what they teach in numbers."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from cg2_training.cli.arguments import count, index
from cg2_training.cli.recipe_options import add_recipe_options, recipe_overrides

if TYPE_CHECKING:
    from cg2_training.data.row_stats import RowStats

STATS_ROWS = 512
"""Rows that statistics are of unless told otherwise."""


def add_show(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_recipe_options(parser)
    parser.add_argument("--step", type=index, default=0, help="whose rows come first (default: %(default)s)")
    parser.add_argument(
        "--stats",
        action="store_true",
        help="print mask ratios, span lengths and cut rows instead of the text",
    )
    parser.add_argument(
        "--rows",
        type=count,
        metavar="N",
        help=f"rows to look at (default: one step's; with --stats {STATS_ROWS})",
    )
    parser.add_argument("--json", action="store_true", help="with --stats: print JSON")
    parser.set_defaults(run_command=_run)


def _run(arguments: argparse.Namespace) -> int:
    from cg2_training.cli.render_row import render_row
    from cg2_training.data.batches import row_stream
    from cg2_training.data.row_stats import row_stats
    from cg2_training.data.shard_set import ShardSet
    from cg2_training.errors import TrainingError
    from cg2_training.run.recipe import Recipe

    if arguments.json and not arguments.stats:
        raise TrainingError("--json needs --stats; rows are printed as text.")
    recipe = Recipe.load(arguments.recipe, recipe_overrides(arguments))
    shards = ShardSet.open(arguments.train)
    stream = row_stream(
        shards, recipe.model.context_length, recipe.objective, recipe.run.seed, data=recipe.data
    )
    first = arguments.step * recipe.run.rows_per_step
    rows = arguments.rows or (STATS_ROWS if arguments.stats else recipe.run.rows_per_step)
    if stream.limit is not None:
        rows = min(rows, max(0, stream.limit - first))
    if arguments.stats:
        stats = row_stats(stream, first, rows)
        print(json.dumps(stats.to_dict(), indent=2) if arguments.json else described(stats))
        return 0
    for number in range(first, first + rows):
        print(f"--- row {number} {stream.origin(number)}".rstrip())
        print(render_row(stream.row(number), shards.tokenizer))
    epochs = stream.epochs(recipe.run.steps * recipe.run.rows_per_step)
    told = ", ".join(f"{name} {times:.2f}" for name, times in epochs.items())
    print(f"--- epochs in {recipe.run.steps:,} steps: {told}")
    return 0


def described(stats: RowStats) -> str:
    """The statistics as tables."""
    from cg2ls.table import aligned

    table = stats.to_dict()
    ratio = table["mask_ratio"]
    lines = [
        ["rows", f"{table['rows']}"],
        ["rows with masks", f"{table['infill_rows']}"],
        ["rows that lose an answer", f"{table['rows_cut']}"],
        ["tokens a row", f"{table['tokens_per_row']}"],
        ["share masked, mean", f"{ratio['mean']:.3f}"],
        ["share masked, 5 % to 95 %", f"{ratio['p05']:.3f} to {ratio['p95']:.3f}"],
        ["middles a part", f"{table['middles_per_part']}"],
        ["middle starts per 1,000 labels of rows with masks", f"{table['middle_starts_per_1000_labels']}"],
        ["single-line middles", f"{100 * table['single_line_share']:.1f} %"],
    ]
    by_mask = [
        [number, f"{entry['middles']}", f"{entry['mean']}"]
        for number, entry in table["chars_by_mask"].items()
    ]
    head = ["mask", "middles", "mean characters"]
    return aligned(lines, right=(1,)) + "\n\n" + aligned([head, *by_mask], right=(1, 2))
