"""Engine benchmark: cg2ls and other runtimes with the same weights, in turns on this machine, and its report."""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.commandline import aligned
from cg2ls.evaluation.latency import server_process
from cg2ls.evaluation.latency.engine_speed import Prompts, Workload, measure_engines
from cg2ls.evaluation.progress import untracked
from cg2ls.evaluation.runtimes.other_runtimes import (
    PreparedRuntimes,
    RuntimeOptions,
    WorkerClient,
    prepare_runtimes,
)
from cg2ls.evaluation.statistics import quartiles
from cg2ls.machine import read_cpu
from cg2ls.models.folder.description import ModelDescription
from cg2ls.models.folder.store import locate_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2ls.evaluation.latency.engine_speed import EngineSamples, Samples
    from cg2ls.evaluation.latency.server_process import ServerOverhead, ServerStart, SessionMemory
    from cg2ls.evaluation.progress import Track


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


OWN_ENGINE = "ours"
"""Name of cg2ls among the engines of a report."""

TITLES = {
    "prefill_ms": "prefill, ms",
    "decode_tokens_per_s": "decode, tokens/s",
    "key_to_answer_ms": "key to answer, ms",
}
"""Kinds of measurements with their titles in tables."""

RATIOS = {
    "decode": "decode_tokens_per_s",
    "prefill_time": "prefill_ms",
    "key_to_answer_time": "key_to_answer_ms",
}
"""Kinds of measurements by the names of their ratios."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """Results of one speed measurement.

    Attributes:
        model: facts about the model, for people.
        machine: facts about the machine.
        workload: the workload, fitted to the model.
        samples: samples by engine; OWN_ENGINE is one of them.
        versions: versions of the engines.
        start: start of the server; None if it was not measured.
        threads: threads of every engine.
    """

    model: Mapping[str, Any]
    machine: Mapping[str, Any]
    workload: Workload
    samples: Mapping[str, EngineSamples]
    versions: Mapping[str, str]
    start: ServerStart | None
    threads: int

    def to_json(self) -> Json:
        """Return medians, quartiles and ratios."""
        work = self.workload
        return {
            "model": dict(self.model),
            "machine": dict(self.machine),
            "workload": {
                "threads": self.threads,
                "rounds": work.rounds,
                "contexts": list(work.contexts),
                "decode_tokens": work.decode_tokens,
                "answer_tokens": work.answer_tokens,
                "seed": work.seed,
            },
            "engines": {name: self._describe_engine(name) for name in self.samples},
            "ratios": self.compute_ratios(),
        }

    def compute_ratios(self) -> dict[str, float]:
        """Divide cg2ls's medians by the other runtimes': above 1 is better for decode, below 1 for the times."""
        found: dict[str, float] = {}
        for other in self.samples:
            if other == OWN_ENGINE:
                continue
            for name, kind in RATIOS.items():
                for context in (self.workload.main_context, *self.workload.contexts):
                    suffix = "" if f"{name}_vs_{other}" not in found else f"_{context}"
                    ratio = self.median(OWN_ENGINE, kind, context) / self.median(other, kind, context)
                    found[f"{name}_vs_{other}{suffix}"] = round(ratio, 3)
        return found

    def median(self, engine: str, kind: str, context: int) -> float:
        """Return the median of one engine's samples of a kind at a context."""
        return statistics.median(self._samples(engine, kind)[context])

    def _samples(self, engine: str, kind: str) -> Samples:
        found: Samples = getattr(self.samples[engine], kind)
        return found

    def _describe_engine(self, name: str) -> Json:
        found: Json = {"version": self.versions[name]}
        for kind in TITLES:
            samples = self._samples(name, kind)
            found[kind] = {str(at): round(statistics.median(values), 3) for at, values in samples.items()}
        found["quartiles"] = {
            kind: {str(at): quartiles(values) for at, values in self._samples(name, kind).items()}
            for kind in TITLES
        }
        if outside := self.samples[name].outside_ms:
            found["outside_runtime_ms_per_token"] = {
                str(at): round(statistics.median(values), 4) for at, values in outside.items()
            }
        if name != OWN_ENGINE:
            found["same_first_token"] = self._compute_agreement(name)
        elif self.start is not None:
            memory_mb = self.start.memory_mb
            found["start_ms"] = round(self.start.start_ms, 1)
            found["first_answer_ms"] = round(self.start.first_answer_ms, 1)
            found["start_processor_ms"] = self.start.processor_ms
            found["memory_mb"] = None if memory_mb is None else round(memory_mb, 1)
        return found

    def _compute_agreement(self, other: str) -> float:
        """Return the share of prompts after which a runtime chose the same first token."""
        pairs = zip(self.samples[OWN_ENGINE].first_tokens, self.samples[other].first_tokens, strict=True)
        return round(statistics.mean(own == theirs for own, theirs in pairs), 3)


def format_bench(report: BenchReport) -> str:
    """Format a heading, a table per kind of measurement with a row per engine and per ratio, and the server."""
    parts = [_format_heading(report), *(_format_kind(report, kind) for kind in TITLES)]
    if outside := report.samples[OWN_ENGINE].outside_ms:
        times = ", ".join(
            f"{statistics.median(values):.2f} ms at {at}" for at, values in sorted(outside.items())
        )
        parts.append(f"{OWN_ENGINE}, per decoded token outside of the runtime: {times}")
    if report.start is not None:
        memory = "" if report.start.memory_mb is None else f", {report.start.memory_mb:.0f} MB resident"
        start = report.start
        spent = "" if start.processor_ms is None else f" ({start.processor_ms:.0f} ms of processor time)"
        answer = f"first answer after {start.first_answer_ms:.0f} ms{spent}"
        parts.append(f"server: ready {start.start_ms:.0f} ms after its start, {answer}{memory}")
    return "\n\n".join(parts)


def _format_heading(report: BenchReport) -> str:
    model, machine, work = report.model, report.machine, report.workload
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return (
        f"{model['name']}: {model['shape']}, {model['precision']}\n"
        f"{machine['cpu']}, {report.threads} threads, load {machine['load_before']}\n"
        f"{versions}; medians of {work.rounds} rounds"
    )


def _format_kind(report: BenchReport, kind: str) -> str:
    contexts = report.workload.contexts
    rows = [[TITLES[kind], *(f"{length} tokens" for length in contexts)]]
    rows += [[name, *(f"{report.median(name, kind, at):.1f}" for at in contexts)] for name in report.samples]
    for name in report.samples:
        if name != OWN_ENGINE:
            ratios = (report.median(OWN_ENGINE, kind, at) / report.median(name, kind, at) for at in contexts)
            rows.append([f"{OWN_ENGINE} / {name}", *(f"{ratio:.2f}" for ratio in ratios)])
    return aligned(rows, right=range(1, len(contexts) + 1))


def format_server_costs(overhead: ServerOverhead, memory: SessionMemory | None) -> str:
    """Format the time that the server adds to the engine."""
    rows = [
        ("server's own time a key, ms", "p50", "p95", "p99"),
        (
            f"{overhead.lines} lines, {overhead.keys} keys",
            *(f"{each:.2f}" for each in (overhead.p50_ms, overhead.p95_ms, overhead.p99_ms)),
        ),
        ("a request that does nothing", f"{overhead.protocol_p50_ms:.2f}", "", ""),
    ]
    parts = [aligned(rows, right=(1, 2, 3))]
    if overhead.processor_ms is not None:
        parts.append(f"the server's processor time for both: {overhead.processor_ms:.2f} ms")
    if memory:
        parts.append(
            f"memory over {memory.edits} edits of {memory.documents} documents: {memory.second_quarter_mb:.1f} MB"
            f" in the second quarter, {memory.last_quarter_mb:.1f} MB in the last, {memory.ratio:.3f} times"
        )
    return "\n".join(parts)
