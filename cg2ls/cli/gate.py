"""`cg2ls gate`: collect verdicts, and fit the gate that decides what is shown while someone types."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from cg2ls.evaluation.quality.fit_gate import GateCheck

PATH_HELP = "a repository; choose code that is neither in training nor in measuring"

Json = dict[str, Any]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its subcommands."""
    parser = subparsers.add_parser("gate", help="collect verdicts and fit the gate of a model")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    collect = commands.add_parser("collect", help="ask at positions of real files, and write what was right")
    collect.add_argument("paths", type=Path, nargs="+", metavar="PATH", help=PATH_HELP)
    collect.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="gets the verdicts")
    collect.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to ask (default: the one in use)")
    collect.add_argument("--positions", type=int, default=2000, metavar="N", help="(default: 2000)")
    collect.add_argument("--seed", type=int, default=0, metavar="N", help="seed of positions (default: 0)")
    collect.add_argument(
        "--memory", choices=("on", "off"), default="on", help="repository memory (default: on)"
    )
    collect.add_argument("--threads", type=int, metavar="N", help="threads of the engine")
    collect.set_defaults(run=run_collect)

    fit = commands.add_parser("fit", help="fit a gate on verdicts, and keep it if it is better")
    fit.add_argument("verdicts", type=Path, nargs="*", metavar="FILE", help="what `cg2ls gate collect` wrote")
    fit.add_argument(
        "--own",
        action="store_true",
        help="fit your own gate, which only withholds, on what you accepted (option learnFromAcceptances)",
    )
    fit.add_argument("--model", metavar="NAME_OR_FOLDER", help="model that gets the gate")
    fit.add_argument(
        "--dry-run", action="store_true", help="print what it would be worth, and change nothing"
    )
    fit.add_argument(
        "--page", type=Path, metavar="FILE", help="write a reliability diagram as an SVG picture"
    )
    fit.add_argument("--json", action="store_true", help="print JSON")
    fit.set_defaults(run=run_fit)

    remove = commands.add_parser("remove", help="remove the fitted gate of a model")
    remove.add_argument("--model", metavar="NAME_OR_FOLDER", help="the model (default: the one in use)")
    remove.add_argument("--own", action="store_true", help="remove the gate of your own acceptances instead")
    remove.set_defaults(run=run_remove)


def run_collect(arguments: argparse.Namespace) -> int:
    """Ask at positions and write verdicts: numbers only, no text and no paths.

    Raises:
        Cg2Error: there is nothing to ask, or the model cannot be opened or run.
    """
    from cg2ls.completion import CompletionOptions
    from cg2ls.completion.confidence_gate import EARLY_CONFIDENCE
    from cg2ls.engine import Engine
    from cg2ls.evaluation.quality.gate_verdicts import collect_verdicts, write_verdicts
    from cg2ls.evaluation.quality.positions import sample_positions
    from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import collect_sources
    from cg2ls.models.folder.store import locate_model
    from cg2ls.workspace.languages import LANGUAGES

    folder = locate_model(flag=arguments.model).folder
    with Engine.open(folder, provider="cpu", threads=arguments.threads) as engine:
        sources = collect_sources(arguments.paths, LANGUAGES, set(engine.model.languages))
        memories = ReplayMemory(arguments.paths, sources, engine.tokenizer, arguments.memory)
        options = CompletionOptions(min_confidence=EARLY_CONFIDENCE, max_ms=None, choose_ms=1e9)
        editor = HeadlessEditor(engine, options, memories=memories, describes=True)
        positions = sample_positions(sources, arguments.positions, arguments.seed)
        try:
            found = list(collect_verdicts(editor, positions, _say))
        finally:
            memories.close()
    write_verdicts(arguments.output, found)
    print(f"{len(found)} verdicts, {sum(each.right for each in found)} right, in {arguments.output}")
    return 0


def run_fit(arguments: argparse.Namespace) -> int:
    """Fit, print the comparison with the gate in use, and keep the gate if it is better.

    It is kept in model.json, or, if it was fitted on the user's own verdicts, in the user's folder.

    Raises:
        Cg2Error: there are too few verdicts, or the model folder cannot be read.
    """
    from cg2ls.errors import EvaluationError
    from cg2ls.evaluation.quality.fit_gate import draw_reliability, fit_gate
    from cg2ls.evaluation.quality.gate_verdicts import read_own_verdicts, read_verdicts
    from cg2ls.files import write_atomically
    from cg2ls.models.folder.description import ModelDescription
    from cg2ls.models.folder.store import locate_model
    from cg2ls.server.own_verdicts import own_gate

    if bool(arguments.verdicts) == arguments.own:
        raise EvaluationError("Name files of verdicts, or give --own for those of your own acceptances.")
    folder = locate_model(flag=arguments.model).folder
    model = ModelDescription.read(folder)
    verdicts = (
        read_own_verdicts(model.weights_sha256)
        if arguments.own
        else [each for path in arguments.verdicts for each in read_verdicts(path)]
    )
    gate, check = fit_gate(verdicts, model.weights_sha256)
    kept = check.is_better and not arguments.dry_run
    place = own_gate().path if arguments.own else folder / "model.json"
    if kept and arguments.own:
        own_gate().write(gate)
    elif kept:
        replace(model, gate=gate).write(folder)
    if arguments.page:
        write_atomically(arguments.page, draw_reliability(model.name, check))
    report = {"verdicts": len(verdicts), "kept": kept, "gate": gate.to_dict(), "check": asdict(check)}
    print(json.dumps(report, indent=2) if arguments.json else format_check(check, len(verdicts)))
    if not arguments.json:
        remove = "cg2ls gate remove" + (" --own" if arguments.own else "")
        print(_describe_end(check, kept=kept, place=place, remove=remove))
    return 0


def run_remove(arguments: argparse.Namespace) -> int:
    """Remove the fitted gate of a model, or the user's own.

    Raises:
        Cg2Error: the model folder cannot be read, or a file cannot be removed.
    """
    from cg2ls.models.folder.description import ModelDescription
    from cg2ls.models.folder.store import locate_model
    from cg2ls.server.own_verdicts import own_gate

    if arguments.own:
        own_gate().clear()
        print("There is no gate of your own acceptances now.")
        return 0
    folder = locate_model(flag=arguments.model).folder
    model = ModelDescription.read(folder)
    replace(model, gate=None).write(folder)
    print(f"{model.name} has no fitted gate now; the measured thresholds decide.")
    return 0


def format_check(check: GateCheck, verdicts: int) -> str:
    """Format the comparison of a fitted gate with the one in use, on repositories that it has not seen."""
    from cg2ls.commandline import aligned

    head = [f"{verdicts} verdicts, repositories unseen by the fit", "fitted", "in use"]
    quality = [
        head,
        [
            "expected calibration error",
            f"{check.calibration_error:.3f}",
            f"{check.other_calibration_error:.3f}",
        ],
        ["log loss, nats", f"{check.log_loss:.3f}", f"{check.other_log_loss:.3f}"],
    ]
    rows = [["fitted minus in use, per verdict", *check.utility]]
    for title, estimates in (
        ("right and shown", check.right_shown),
        ("wrong and shown", check.wrong_shown),
        ("utility, characters", check.utility),
        ("the same, both at their best thresholds", check.utility_at_best),
    ):
        rows.append(
            [title, *(f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for one in estimates.values())]
        )
    return aligned(quality, right=(1, 2)) + "\n\n" + aligned(rows)


def _describe_end(check: GateCheck, *, kept: bool, place: Path, remove: str) -> str:
    if kept:
        return f"The gate is in {place}; remove it with: {remove}"
    if check.is_better:
        return "The gate is better than the one in use; without --dry-run it is kept."
    return "The gate in use stays, since the gain is within the noise, or a threshold alone would bring it."


def _say(step: str) -> None:
    print(f"cg2ls: {step} ...", file=sys.stderr, flush=True)
