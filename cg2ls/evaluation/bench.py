"""Engine benchmark: cg2ls and other runtimes with the same weights, in turns on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.latency import server_process
from cg2ls.evaluation.latency.engine_speed import Prompts, Workload, measure_engines
from cg2ls.evaluation.report.bench_report import OWN_ENGINE, BenchReport
from cg2ls.evaluation.runtimes.other_runtimes import (
    PreparedRuntimes,
    RuntimeOptions,
    WorkerClient,
    prepare_runtimes,
)
from cg2ls.evaluation.track import untracked
from cg2ls.machine import read_cpu
from cg2ls.models.folder.description import ModelDescription
from cg2ls.models.folder.store import locate_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.evaluation.track import Track


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Settings of an engine benchmark.

    Attributes:
        model: name or folder of the model; None for the one in use.
        threads: threads of every engine.
        provider: execution provider of cg2ls: `auto` or a name.
        workload: lengths and rounds.
        runtimes: other runtimes to compare with.
    """

    model: str | None
    threads: int
    provider: str = "cpu"
    workload: Workload = field(default_factory=Workload)
    runtimes: RuntimeOptions = field(default_factory=RuntimeOptions)


def run_bench(options: BenchOptions, on_step: Callable[[str], None], track: Track = untracked) -> BenchReport:
    """Convert the model for the other runtimes and measure all engines in turns.

    Args:
        options: settings of the benchmark.
        on_step: receives a description of each step.
        track: shows the progress of the rounds.

    Raises:
        Cg2Error: the model, a runtime or its packages are missing, or an engine fails.
    """
    load = round(os.getloadavg()[0], 2)

    def locate_folder() -> Path:
        return locate_model(flag=options.model).folder

    with prepare_runtimes(options.runtimes, locate_folder, on_step) as prepared:
        return _measure(prepared, options, load, on_step, track)


def _measure(
    prepared: PreparedRuntimes,
    options: BenchOptions,
    load: float,
    on_step: Callable[[str], None],
    track: Track,
) -> BenchReport:
    model = ModelDescription.read(prepared.folder)
    workload = options.workload.fit_to(model.context_length)
    processor, features = read_cpu()
    on_step("starting the server")
    start = server_process.measure_start(prepared.folder)
    command = [
        sys.executable,
        *("-m", "cg2ls.evaluation.runtimes.cg2ls_worker", str(prepared.folder)),
        *("--threads", str(options.threads), "--provider", options.provider),
    ]
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerClient(OWN_ENGINE, command))]
        workers += prepared.start_workers(stack, options.threads)
        on_step(f"measuring {', '.join(worker.name for worker in workers)} in turns")
        samples = measure_engines(workers, workload, Prompts.of(model, workload.seed), track=track)
        versions = {worker.name: worker.version for worker in workers}
    return BenchReport(
        model=_describe_model(model),
        machine={"cpu": processor, "features": features, "cpus": os.cpu_count(), "load_before": load},
        workload=workload,
        samples=samples,
        versions=versions,
        start=start,
        threads=options.threads,
    )


def _describe_model(model: ModelDescription) -> dict[str, Any]:
    shape = model.architecture
    return {
        "name": model.name,
        "precision": model.precision,
        "shape": f"{shape.n_layer} x {shape.n_embd}, vocabulary {shape.vocab_size}",
        "context_length": model.context_length,
    }
