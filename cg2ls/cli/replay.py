"""`cg2ls replay`: simulate people who write real files with completion."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.cli.other_runtimes import add_runtime_arguments, make_runtime_options
from cg2ls.evaluation.progress import show_progress
from cg2ls.models.folder.gate import EAGERNESS
from cg2ls.renamed import add_renamed_argument

if TYPE_CHECKING:
    from cg2ls.engine import Engine
    from cg2ls.evaluation.replay import ReplayOptions

EPILOG = """\
examples:
  cg2ls replay src                          the model in use: its speed and its quality on these files
  cg2ls replay repos/* --json --picture replay.svg
  cg2ls replay repos/* --keys 0 --anchor 0  quality alone, with the whole prompt read again at each cursor
  cg2ls replay repos/* --keys 0 --rules     the effect of each rule
  cg2ls replay repos/* --soak 20000         memory and latency over many keys
  cg2ls replay repos/* --languages go,rust  quality in languages that the model was not trained on
  cg2ls replay repos/* --visits 100         the first answer at a new place, with and without reading ahead
  cg2ls replay repos/* --chaos              a real server in a failing environment: is anything lost?
  cg2ls replay repos/* --against ctranslate2 --keys 200 [--reference-shape]
  cg2ls replay repos/* --against llamacpp --visits 40  beside llama.cpp's server with its prompt cache

Each PATH is a repository. Choose code that the model was not trained on.
"""

LIMITS = ("line_tokens", "block_tokens", "max_lines", "min_confidence", "eagerness", "choose_ms")
"""Completion options that arguments of the same names set."""

Json = dict[str, Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="measure latency and quality by replaying people who write files",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a repository or a file")
    parser.add_argument(
        "--model", metavar="NAME_OR_FOLDER", help="model to measure (default: the one in use)"
    )
    parser.add_argument(
        "--languages",
        type=_parse_languages,
        default=frozenset(),
        metavar="NAMES",
        help="LSP ids, separated by commas; completes there as with the option unknownLanguages (default: those"
        " of the model)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--verdicts", action="store_true", help="list every position in the JSON")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write an SVG picture")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of keys and positions (default: 0)"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of the engine (default: as the server)"
    )
    parser.add_argument(
        "--provider", choices=("auto", "cpu", "cuda"), default="cpu", help="execution provider (default: cpu)"
    )
    _add_measurements(parser)
    add_runtime_arguments(parser)
    _add_request_arguments(parser)


def _add_measurements(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--keys",
        type=_parse_count,
        default=1000,
        metavar="N",
        help="keys of the typing trace (default: 1000)",
    )
    add("--positions", type=_parse_count, default=400, metavar="N", help="positions to judge (default: 400)")
    add(
        "--token-places",
        type=_parse_count,
        default=0,
        metavar="N",
        help="positions to judge token by token after the true text (default: none; needs --json)",
    )
    add(
        "--passages",
        type=_parse_count,
        default=40,
        metavar="N",
        help="passages that a simulated user writes (default: 40)",
    )
    add("--rules", action="store_true", help="also judge the positions without each rule")
    add(
        "--soak",
        type=_parse_count,
        default=0,
        metavar="KEYS",
        help="type this many keys and watch memory and latency",
    )
    add(
        "--chaos",
        type=_parse_count,
        nargs="?",
        const=20_000,
        default=0,
        metavar="KEYS",
        help="only type this many keys (20000) at a real server whose environment fails",
    )
    add(
        "--visits",
        type=_parse_count,
        default=0,
        metavar="N",
        help="only go to this many places at a real server, with and without reading ahead",
    )


def _add_request_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "how the model is prompted, instead of its description and the defaults"
    )
    add = group.add_argument
    add("--anchor", type=_parse_count, metavar="N", help="maximum tokens from the anchor to the cursor")
    add("--prefix-only", action="store_true", help="continue the text without what follows the cursor")
    add("--context", type=int, metavar="N", help="tokens of prompt and answer")
    add("--line-tokens", type=int, metavar="N", help="maximum tokens of a line")
    add("--block-tokens", type=int, metavar="N", help="maximum tokens of a block")
    add("--max-lines", type=int, metavar="N", help="maximum lines shown")
    add("--min-confidence", type=float, metavar="P", help="minimum probability of what is shown")
    add("--eagerness", choices=EAGERNESS, help="how much is shown (default: balanced)")
    add("--by-hand", action="store_true", help="ask as a user does, so that nothing is held back")
    add("--choose-ms", type=float, metavar="MS", help="maximum time of an answer that compares several lines")
    add(
        "--without",
        type=_parse_names,
        default=frozenset(),
        metavar="NAMES",
        help="rules to leave out, separated by commas",
    )
    add_renamed_argument(
        group,
        "--repository-memory",
        dest="memory",
        choices=("on", "off", "file"),
        default="on",
        help="repository memory: all files, none, or the document alone (default: on)",
    )
    add(
        "--context-tokens",
        type=_parse_count,
        default=0,
        metavar="N",
        help="tokens of other files' text before the prompt (default: none)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay and print.

    Raises:
        Cg2Error: there is nothing to replay, the model cannot be opened or run, or a soak or a chaos run found a
            fault.
    """
    from cg2ls.errors import EvaluationError
    from cg2ls.evaluation.picture import draw_picture
    from cg2ls.evaluation.replay_report import format_chaos, format_replay, format_visits
    from cg2ls.files import write_atomically
    from cg2ls.models.folder.store import locate_model

    folder = locate_model(flag=arguments.model).folder
    if arguments.languages and (arguments.chaos or arguments.visits):
        raise EvaluationError("--languages does not go with --chaos or --visits; leave one out.")
    if arguments.chaos:
        from cg2ls.evaluation.replay import replay_chaos

        chaos = replay_chaos(folder, arguments.paths, arguments.chaos, arguments.seed, _print_step)
        report, problem = chaos.to_json(), chaos.describe_problems()
        text = format_chaos(report["chaos"])
    elif arguments.visits:
        from cg2ls.evaluation.replay import replay_visits

        problem = ""
        report = replay_visits(
            folder,
            arguments.paths,
            arguments.visits,
            arguments.seed,
            _print_step,
            make_runtime_options(arguments),
        )
        text = format_visits(report)
    else:
        report, curves, problem = _replay(folder, arguments)
        text = format_replay(report)
        if arguments.picture:
            write_atomically(arguments.picture, draw_picture(report, curves))
    print(json.dumps(report, indent=2) if arguments.json else text)
    if problem:
        raise EvaluationError(problem)
    return 0


def _replay(folder: Path, arguments: argparse.Namespace) -> tuple[Json, dict[str, list[float]], str]:
    """Measure one model; return the report, the times of keys by name, and what a soak found wrong."""
    from cg2ls.engine import Engine
    from cg2ls.evaluation.replay import Replay
    from cg2ls.evaluation.runtimes.trace_race import race_runtimes
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import collect_sources
    from cg2ls.workspace.languages import LANGUAGES

    load = round(os.getloadavg()[0], 2)
    curves: dict[str, list[float]] = {}
    problem = ""
    with Engine.open(folder, provider=arguments.provider, threads=arguments.threads) as engine:
        sources = collect_sources(
            arguments.paths, LANGUAGES, arguments.languages or set(engine.model.languages)
        )
        memories = ReplayMemory(arguments.paths, sources, engine.tokenizer, arguments.memory)
        replay = Replay(engine, _make_options(arguments), sources, memories, _print_step, show_progress)
        report = _describe_run(engine, load, arguments) | {"files": len(sources)}
        if arguments.against or arguments.reference_shape:
            runtimes = make_runtime_options(arguments)
            found, race = race_runtimes(
                engine, folder, runtimes, replay.make_typist(), arguments.keys, _print_step
            )
            curves = race.times
            report |= found
        elif arguments.soak:
            soak = replay.measure_soak(arguments.soak)
            problem = soak.describe_problem()
            report |= soak.to_json()
        else:
            if arguments.keys:
                latency = replay.measure_latency()
                curves = latency.times
                report |= latency.to_json()
            report |= replay.measure_quality()
            if arguments.token_places:
                report["token_by_token"] = replay.measure_tokens()
        memories.close()
    return report, curves, problem


def _make_options(arguments: argparse.Namespace) -> ReplayOptions:
    from cg2ls.completion.session import resolve_disabled_rules
    from cg2ls.evaluation.replay import ReplayOptions

    given = {name: getattr(arguments, name) for name in LIMITS}
    given["unknown_languages"] = True if arguments.languages else None
    return ReplayOptions(
        keys=arguments.keys,
        positions=arguments.positions,
        token_positions=arguments.token_places,
        passages=arguments.passages,
        seed=arguments.seed,
        with_verdicts=arguments.verdicts,
        with_rules=arguments.rules,
        context_length=arguments.context,
        context_tokens=arguments.context_tokens,
        anchor_tokens=arguments.anchor,
        prefix_only=arguments.prefix_only,
        by_hand=arguments.by_hand,
        disabled_rules=resolve_disabled_rules(arguments.without),
        limits={name: value for name, value in given.items() if value is not None},
    )


def _describe_run(engine: Engine, load: float, arguments: argparse.Namespace) -> Json:
    from cg2ls.machine import read_cpu

    processor, features = read_cpu()
    return {
        "model": {
            "name": engine.model.name,
            "precision": engine.model.precision,
            "context_length": arguments.context or engine.context_length,
        },
        "machine": {
            "cpu": processor,
            "features": features,
            "cpus": os.cpu_count(),
            "load_before": load,
            "threads": engine.threads,
            "provider": engine.provider,
        },
        "memory": arguments.memory,
        "context_tokens": arguments.context_tokens,
        "seed": arguments.seed,
    }


def _parse_count(raw: str) -> int:
    if not raw.isdecimal():
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number of 0 or more")
    return int(raw)


def _parse_languages(raw: str) -> frozenset[str]:
    from cg2ls.workspace.languages import LANGUAGES

    names, known = _parse_names(raw), set(LANGUAGES.values())
    if unknown := sorted(names - known):
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)} is not a known language; name some of {', '.join(sorted(known))}."
        )
    return names


def _parse_names(raw: str) -> frozenset[str]:
    return frozenset(name.strip() for name in raw.split(",") if name.strip())


def _print_step(step: str) -> None:
    print(f"cg2ls: {step} ...", file=sys.stderr, flush=True)
