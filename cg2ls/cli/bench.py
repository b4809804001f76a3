"""`cg2ls bench`: measure speed on this machine, alone or against other runtimes with the same weights."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cg2ls.cli.other_runtimes import make_runtime_options
from cg2ls.evaluation.progress import show_progress

EPILOG = """\
examples:
  cg2ls bench                                             the model in use, alone
  cg2ls bench --server --memory                           what the server adds to the engine
  cg2ls bench --reference-shape --against ctranslate2,llamacpp --json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        help="measure prefill, decode and key-to-answer times",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to measure (default: the one in use)")
    which.add_argument(
        "--reference-shape",
        action="store_true",
        help="measure random int8 weights of 8 layers x 512, vocabulary 51200",
    )
    parser.add_argument(
        "--against",
        default="",
        metavar="ENGINES",
        help="other runtimes, separated by commas: optimum, ctranslate2, llamacpp",
    )
    parser.add_argument(
        "--server", action="store_true", help="measure what the server adds to the engine instead"
    )
    parser.add_argument(
        "--memory",
        action="store_true",
        help="with --server: also make 10,000 edits in 50 documents (a minute)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of every engine (default: as the server)"
    )
    parser.add_argument(
        "--provider",
        metavar="NAME",
        default="cpu",
        help="for cg2ls: auto or a provider's name (default: cpu)",
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns per engine (default: 7)")
    parser.add_argument(
        "--contexts", type=_parse_numbers, default=(64, 512, 1024), metavar="N,N", help="prompt lengths"
    )
    parser.add_argument(
        "--decode-tokens", type=int, default=64, metavar="N", help="tokens decoded per turn (default: 64)"
    )
    parser.add_argument(
        "--reference-python", type=Path, metavar="PATH", help="Python that has the other runtimes"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep and reuse converted models in this folder"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        Cg2Error: the model, a runtime or its packages are missing, or an engine fails.
    """
    if arguments.server:
        return _measure_server(arguments)
    from cg2ls.engine.onnx_session import default_threads
    from cg2ls.evaluation.bench import BenchOptions, format_bench, run_bench
    from cg2ls.evaluation.latency.engine_speed import Workload

    options = BenchOptions(
        model=arguments.model,
        threads=arguments.threads or default_threads(),
        provider=arguments.provider,
        workload=Workload(
            contexts=arguments.contexts, decode_tokens=arguments.decode_tokens, rounds=arguments.rounds
        ),
        runtimes=make_runtime_options(arguments),
    )
    report = run_bench(options, on_step=_print_step, track=show_progress)
    print(json.dumps(report.to_json(), indent=2) if arguments.json else format_bench(report))
    return 0


def _measure_server(arguments: argparse.Namespace) -> int:
    """Measure what the server adds to the engine, and print it.

    Raises:
        EvaluationError: the server ends or refuses a request.
    """
    from cg2ls.evaluation.bench import format_server_costs
    from cg2ls.evaluation.latency.server_process import measure_overhead, measure_session_memory
    from cg2ls.models.folder.store import locate_model

    folder = locate_model(flag=arguments.model).folder
    overhead = measure_overhead(folder)
    memory = measure_session_memory(folder) if arguments.memory else None
    if arguments.json:
        report = {"overhead": overhead.to_json(), "memory": memory.to_json() if memory else None}
        print(json.dumps(report, indent=2))
    else:
        print(format_server_costs(overhead, memory))
    return 0


def _parse_numbers(raw: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in raw.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a list of numbers, as in 64,512") from None


def _print_step(step: str) -> None:
    print(f"cg2ls: {step} ...", file=sys.stderr, flush=True)
