"""`cg2ls bench`: speed on this machine, alone or against other runtimes with the same weights."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.evaluation.latency.engine_speed import Workload
    from cg2ls.evaluation.report.bench_report import Report
    from cg2ls.models.folder.description import ModelDescription

EPILOG = """\
examples:
  cg2ls bench                                             the model in use, alone
  cg2ls bench --server --memory                           what the server adds to the engine
  cg2ls bench --reference-shape --against ctranslate2,llamacpp --json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    made = commands.add_parser(
        "bench",
        help="measure prefill, decode and key-to-answer times",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = made.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to measure (default: the one in use)")
    which.add_argument(
        "--reference-shape",
        action="store_true",
        help="measure random int8 weights of 8 layers x 512, vocabulary 51200",
    )
    made.add_argument(
        "--against",
        default="",
        metavar="ENGINES",
        help="optimum, ctranslate2, llamacpp, or several with commas",
    )
    made.add_argument(
        "--server", action="store_true", help="measure what the server adds to the engine instead"
    )
    made.add_argument(
        "--memory", action="store_true", help="with --server: 10,000 edits of 50 documents, too (a minute)"
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--threads", type=int, metavar="N", help="of every engine (default: as the server)")
    made.add_argument(
        "--provider",
        metavar="NAME",
        default="cpu",
        help="for cg2ls: auto or a provider's name (default: cpu)",
    )
    made.add_argument("--rounds", type=int, default=7, metavar="N", help="turns per engine (default: 7)")
    made.add_argument(
        "--contexts", type=_numbers, default=(64, 512, 1024), metavar="N,N", help="prompt lengths"
    )
    made.add_argument(
        "--decode-tokens", type=int, default=64, metavar="N", help="decoded per turn (default: 64)"
    )
    made.add_argument("--reference-python", type=Path, metavar="PATH", help="Python with cg2ls[reference]")
    made.add_argument(
        "--work", type=Path, metavar="DIR", help="keep converted models here and use them again"
    )
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints.

    Raises:
        Cg2Error: the model, a rival or its packages are missing, or one of them fails.
    """
    if arguments.server:
        return _measure_server(arguments)
    from cg2ls.engine.threads import default_threads
    from cg2ls.evaluation.latency.engine_speed import Workload
    from cg2ls.evaluation.report.bench_report import table
    from cg2ls.evaluation.runtimes import other_runtimes

    work = Workload(
        contexts=arguments.contexts, decode_tokens=arguments.decode_tokens, rounds=arguments.rounds
    )
    names = other_runtimes.checked_names(arguments.against)
    python = other_runtimes.reference_python(names, arguments.reference_python) if names else None
    threads = arguments.threads or default_threads()
    load = round(os.getloadavg()[0], 2)
    with ExitStack() as stack:
        room = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cg2ls-bench-")))
        folder = _folder(arguments, room)
        prepared = []
        for name in names:
            assert python is not None
            _tell(f"converting for {name}")
            prepared.append((name, python, other_runtimes.prepare(name, python, folder, room)))
        report = _measure(folder, prepared, work, threads, arguments.provider, load)
    print(json.dumps(report.to_json(), indent=2) if arguments.json else table(report))
    return 0


def _measure_server(arguments: argparse.Namespace) -> int:
    from cg2ls.cli.bench_server import run_server_bench
    from cg2ls.models.folder.locate import locate_model

    folder = locate_model(flag=arguments.model).folder
    return run_server_bench(folder, as_json=arguments.json, memory=arguments.memory)


def _measure(
    folder: Path,
    prepared: Sequence[tuple[str, Path, Path]],
    work: Workload,
    threads: int,
    provider: str,
    load: float,
) -> Report:
    from cg2ls.evaluation.latency.engine_speed import Prompts, measure
    from cg2ls.evaluation.latency.server_process import measure_start
    from cg2ls.evaluation.report.bench_report import OURS, Report
    from cg2ls.evaluation.runtimes import other_runtimes
    from cg2ls.evaluation.runtimes.other_runtimes import Remote
    from cg2ls.machine import cpu
    from cg2ls.models.folder.description import ModelDescription

    model = ModelDescription.read(folder)
    fitted = work.fitted(model.context_length)
    processor, features = cpu()
    machine = {
        "cpu": processor,
        "features": features,
        "cpus": os.cpu_count(),
        "load_before": load,
    }
    _tell("starting the server")
    start = measure_start(folder)
    ours = [
        sys.executable,
        "-m",
        "cg2ls.evaluation.runtimes.cg2ls_worker",
        str(folder),
        "--threads",
        str(threads),
        "--provider",
        provider,
    ]
    with ExitStack() as stack:
        remotes = [stack.enter_context(Remote(OURS, ours))]
        remotes += [stack.enter_context(other_runtimes.start(*each, threads)) for each in prepared]
        _tell(f"measuring {', '.join(remote.name for remote in remotes)} in turns")
        measured = measure(remotes, fitted, Prompts.of(model, fitted.seed))
        versions = {remote.name: remote.version for remote in remotes}
    return Report(
        model=_about(model),
        machine=machine,
        workload=fitted,
        measured=measured,
        versions=versions,
        start=start,
        threads=threads,
    )


def _folder(arguments: argparse.Namespace, room: Path) -> Path:
    """The model folder to measure; the reference model is made anew each time, as the graph may have changed."""
    from cg2ls.evaluation.runtimes.other_runtimes import make_reference_model
    from cg2ls.models.folder.locate import locate_model

    if not arguments.reference_shape:
        return locate_model(flag=arguments.model).folder
    _tell("making the reference model")
    folder = room / "reference"
    make_reference_model(folder)
    return folder


def _about(model: ModelDescription) -> dict[str, Any]:
    shape = model.architecture
    return {
        "name": model.name,
        "precision": model.precision,
        "shape": f"{shape.n_layer} x {shape.n_embd}, vocabulary {shape.vocab_size}",
        "context_length": model.context_length,
    }


def _numbers(raw: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in raw.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a list of numbers, as in 64,512") from None


def _tell(what: str) -> None:
    print(f"cg2ls: {what} ...", file=sys.stderr, flush=True)
