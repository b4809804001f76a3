"""The commands `cg2-train plan`, `pretrain` and `export`."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_training.cli.arguments import add_recipe, add_recipe_options, amount, count, recipe_overrides, share

if TYPE_CHECKING:
    from cg2_training.run.recipe import Recipe

GPUS = ("H100", "H200", "A100", "L40S", "4090")

PLAN_EXAMPLE = """\
example:
  cg2-train plan training/recipes/codegen2-1b.toml --gpu H100 --gpus 8
The figures are estimates; docs/reference/training.md has the formulas.
"""


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `plan`."""
    parser.epilog = PLAN_EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_recipe(parser)
    parser.add_argument("--gpu", choices=GPUS, default="H100", help="kind of the GPUs (default: %(default)s)")
    parser.add_argument("--gpus", type=count, default=1, help="number of GPUs (default: %(default)s)")
    parser.add_argument(
        "--mfu", type=share, default=0.40, help="assumed share of the peak FLOP/s (default: %(default)s)"
    )
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="token shards, for counting epochs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run_command=_run_plan)


def _run_plan(arguments: argparse.Namespace) -> int:
    """Print the plan; return 1 if it has warnings."""
    from cg2_training.errors import TrainingError
    from cg2_training.run.plan import make_plan
    from cg2_training.run.recipe import Recipe

    if arguments.gpus < 1 or not 0 < arguments.mfu <= 1:
        raise TrainingError("--gpus must be at least 1, and --mfu must be between 0 and 1.")
    recipe = Recipe.load(arguments.recipe, arguments.overrides)
    plan = make_plan(
        recipe,
        gpu=arguments.gpu,
        gpus=arguments.gpus,
        mfu=arguments.mfu,
        epochs=_epochs(recipe, arguments.train) if arguments.train else None,
    )
    if arguments.json:
        print(json.dumps(plan.to_dict(), indent=2))
        return 1 if plan.warnings else 0
    print(
        f"{plan.parameters / 1e6:,.1f}M parameters, {_format_amount(plan.tokens)} tokens, {plan.flops:.2e} FLOP"
    )
    print(
        f"  memory of each {arguments.gpu}: {plan.total_gib:.1f} of {plan.gpu_gib} GiB"
        f" (weights {plan.weights_gib:.1f}, gradients {plan.gradients_gib:.1f},"
        f" optimizer {plan.optimizer_gib:.1f}, activations {plan.activations_gib:.1f})"
    )
    print(
        f"  at {arguments.mfu:.0%} of the data sheet's peak: {plan.tokens_per_s:,.0f} tokens/s,"
        f" {plan.hours:,.1f} hours on {arguments.gpus} x {arguments.gpu}"
    )
    if plan.epochs:
        reads = ", ".join(f"{name} {times:.2f} times" for name, times in plan.epochs.items())
        print(f"  reads {reads}")
    for warning in plan.warnings:
        print(f"  warning: {warning}")
    return 1 if plan.warnings else 0


def _epochs(recipe: Recipe, train: Path) -> dict[str, float]:
    """Return how often the run reads each source."""
    from cg2_training.data.batches import row_stream
    from cg2_training.data.shards import ShardSet

    run = recipe.run
    stream = row_stream(
        ShardSet.open(train), recipe.model.context_length, recipe.objective, run.seed, data=recipe.data
    )
    return stream.epochs(run.steps * run.rows_per_step)


def _format_amount(tokens: float) -> str:
    """Format a number in billions, or in millions if it is smaller."""
    return f"{tokens / 1e9:,.2f}B" if tokens >= 1e9 else f"{tokens / 1e6:,.2f}M"


def add_pretrain(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `pretrain`."""
    add_recipe_options(parser)
    parser.add_argument(
        "--heldout", type=Path, required=True, metavar="FOLDER", help="token shards to evaluate on"
    )
    parser.add_argument(
        "--run",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for states, log, checkpoint and loss curve",
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="start",
        metavar="CHECKPOINT",
        help="initial weights; the learning rate warms up again as in the recipe",
    )
    parser.add_argument(
        "--minutes", type=amount, metavar="N", help="stop after this time; run the same command to resume"
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="resume although the recipe, seed or tokens changed",
    )
    parser.set_defaults(run_command=_run_pretrain)


def _run_pretrain(arguments: argparse.Namespace) -> int:
    from cg2_training.data.shards import ShardSet
    from cg2_training.run.recipe import Recipe
    from cg2_training.trainer import Trainer
    from cg2ls.models.codegen2 import Checkpoint

    recipe = Recipe.load(arguments.recipe, recipe_overrides(arguments))
    trainer = Trainer(
        recipe,
        ShardSet.open(arguments.train),
        ShardSet.open(arguments.heldout),
        arguments.run,
        start=Checkpoint.open(arguments.start) if arguments.start else None,
        accept_changes=arguments.accept_changes,
    )
    if trainer.ranks.first:
        for notice in (trainer.precision, trainer.threads, *trainer.changes):
            print(notice, file=sys.stderr)
    trainer.fit(deadline=time.monotonic() + 60 * arguments.minutes if arguments.minutes else math.inf)
    print(
        f"{arguments.run / 'checkpoint'}: {trainer.model.config.n_parameters:,} parameters, {trainer.done} steps"
    )
    return 0


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    parser.add_argument("run", type=Path, help="folder of a pretraining run")
    parser.add_argument(
        "--heldout", type=Path, required=True, metavar="FOLDER", help="token shards to measure on"
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of the corpus, for the model card",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument(
        "--format",
        choices=("int8", "int4", "fp32"),
        default="int8",
        help="format of the model folder (default: %(default)s)",
    )
    parser.add_argument(
        "--language", default="python", help="language of the corpus, as an LSP id (default: %(default)s)"
    )
    parser.add_argument(
        "--license", default="Apache-2.0", help="SPDX id of the weights (default: %(default)s)"
    )
    parser.set_defaults(run_command=_run_export)


def _run_export(arguments: argparse.Namespace) -> int:
    from cg2_training.export import PublishOptions, publish

    card = publish(
        arguments.run,
        arguments.heldout,
        arguments.corpus,
        arguments.output,
        PublishOptions(precision=arguments.format, language=arguments.language, license_id=arguments.license),
    )
    print(card)
    return 0
