"""Command `cg2-train evaluate`: held-out loss, scores with memory in repositories, and published benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cg2_training.cli.arguments import count
from cg2ls.cli.evaluate import add_suite_arguments

EXAMPLE = """\
example:
  cg2-train evaluate models/python-small --heldout runs/heldout --objective causal --objective psm --json
  cg2-train evaluate models/python-small --memory repositories/*
  cg2-train evaluate runs/python-27m/checkpoint --suite humaneval-infilling-single --limit 100
"""


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, help="a checkpoint or a model folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--heldout", type=Path, metavar="FOLDER", help="a token shard, or one for each source")
    what.add_argument(
        "--memory",
        type=Path,
        nargs="+",
        metavar="REPOSITORY",
        help="score a model folder token by token in whole repositories, alone and with memory",
    )
    add_suite_arguments(parser, what)
    parser.add_argument(
        "--places",
        type=count,
        default=400,
        help="with --memory: number of sampled positions (default: %(default)s)",
    )
    parser.add_argument("--recipe", type=Path, help="recipe whose [objective] makes the infill rows")
    parser.add_argument(
        "--objective",
        action="append",
        metavar="NAME",
        help="causal, continuation, span_corruption, psm or ul2; can be repeated (default: causal and the"
        " recipe's infill)",
    )
    parser.add_argument(
        "--rows", type=count, default=256, help="rows of each kind and source (default: %(default)s)"
    )
    parser.set_defaults(run_command=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.suite:
        return _evaluate_suite(arguments)
    return _evaluate_heldout(arguments) if arguments.heldout else _evaluate_memory(arguments)


def _evaluate_suite(arguments: argparse.Namespace) -> int:
    from cg2_training.errors import TrainingError
    from cg2_training.evaluate.evaluation_target import open_as_folder
    from cg2ls.cli.evaluate import evaluate_folder

    if arguments.record and not (arguments.model / "model.json").is_file():
        raise TrainingError(
            "--record stores scores in a model folder; export the checkpoint and name the folder."
        )
    with open_as_folder(arguments.model) as folder:
        return evaluate_folder(folder, arguments, "cg2-train")


def _evaluate_memory(arguments: argparse.Namespace) -> int:
    from cg2_training.evaluate.with_memory import evaluate_with_memory
    from cg2ls.commandline import aligned

    print(f"cg2-train: reading at {arguments.places} positions ...", file=sys.stderr, flush=True)
    result = evaluate_with_memory(arguments.model, arguments.memory, places=arguments.places)
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
        return 0
    rows = [
        [name, f"{one.mean:.3f}", f"{one.low:.3f} to {one.high:.3f}"]
        for name, one in (
            ("bits per token, model alone", result.bits_alone),
            ("bits per token, with memory", result.bits_with_memory),
            ("next-token accuracy, model alone", result.accuracy_alone),
            ("next-token accuracy, with memory", result.accuracy_with_memory),
        )
    ]
    print(aligned([[f"{result.tokens} tokens", "mean", "95 % interval"], *rows], right=(1,)))
    return 0


def _evaluate_heldout(arguments: argparse.Namespace) -> int:
    from cg2_training.data.shards import ShardSet
    from cg2_training.evaluate.evaluation_target import open_evaluation_target
    from cg2_training.evaluate.losses import (
        EvaluationOptions,
        Score,
        evaluate,
        evaluate_table,
        scores_to_dict,
    )
    from cg2_training.objective import INFILLS, ObjectiveConfig
    from cg2_training.run.recipe import Recipe
    from cg2ls.commandline import aligned

    objective = Recipe.load(arguments.recipe).objective if arguments.recipe else ObjectiveConfig()
    heldout = ShardSet.open(arguments.heldout)
    losses, context = open_evaluation_target(arguments.model, heldout.tokenizer)
    options = EvaluationOptions(context, arguments.rows, objective)
    if arguments.objective:
        sources: Mapping[str, Mapping[str, Score]] = evaluate_table(
            losses, heldout, options, tuple(dict.fromkeys(arguments.objective))
        )
        report = {"sources": scores_to_dict(sources)}
    else:
        result = evaluate(losses, heldout, options)
        sources, report = result.sources, result.to_dict() | {"sources": scores_to_dict(result.sources)}
    if arguments.json:
        print(json.dumps(report, indent=2))
        return 0
    rows = [
        [source, name, f"{one.bits_per_byte:.4f}", f"{one.nats_per_token:.4f}", f"{one.rows}"]
        for source, scores in sources.items()
        for name, one in scores.items()
    ]
    head = ["source", "objective", "bits per byte", "nats per token", "rows"]
    print(aligned([head, *rows], right=(2, 3, 4)))
    if any(name in INFILLS for scores in sources.values() for name in scores):
        print("An infill objective counts only the tokens of answers.")
    return 0
