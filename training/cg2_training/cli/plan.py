"""The command `cg2-train plan`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_training.cli.arguments import count, share

if TYPE_CHECKING:
    from cg2_training.run.recipe import Recipe

GPUS = ("H100", "H200", "A100", "L40S", "4090")

EXAMPLE = """\
example:
  cg2-train plan training/recipes/codegen2-1b.toml --gpu H100 --gpus 8
The figures are estimates; the page docs/reference/training.md says from which formulas.
"""


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE")
    parser.add_argument("--gpu", choices=GPUS, default="H100")
    parser.add_argument("--gpus", type=count, default=1)
    parser.add_argument(
        "--mfu", type=share, default=0.40, help="share of peak to assume (default: %(default)s)"
    )
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="token shards, to count epochs")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run_command=run_plan)


def run_plan(arguments: argparse.Namespace) -> int:
    """Prints the plan; the exit status is 1 if it has warnings."""
    from cg2_training.errors import TrainingError
    from cg2_training.run.plan import make_plan
    from cg2_training.run.recipe import Recipe

    if arguments.gpus < 1 or not 0 < arguments.mfu <= 1:
        raise TrainingError("--gpus must be at least 1 and --mfu between 0 and 1.")
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
    print(f"{plan.parameters / 1e6:,.1f}M parameters, {_amount(plan.tokens)} tokens, {plan.flops:.2e} FLOP")
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
        told = ", ".join(f"{name} {times:.2f} times" for name, times in plan.epochs.items())
        print(f"  reads {told}")
    for warning in plan.warnings:
        print(f"  warning: {warning}")
    return 1 if plan.warnings else 0


def _epochs(recipe: Recipe, train: Path) -> dict[str, float]:
    """How often the run reads each source."""
    from cg2_training.data.batches import row_stream
    from cg2_training.data.shard_set import ShardSet

    run = recipe.run
    stream = row_stream(
        ShardSet.open(train), recipe.model.context_length, recipe.objective, run.seed, data=recipe.data
    )
    return stream.epochs(run.steps * run.rows_per_step)


def _amount(tokens: float) -> str:
    """Billions, or millions where there are fewer."""
    return f"{tokens / 1e9:,.2f}B" if tokens >= 1e9 else f"{tokens / 1e6:,.2f}M"
