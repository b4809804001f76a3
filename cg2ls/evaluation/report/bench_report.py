"""From samples to the numbers that are printed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from cg2ls.table import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cg2ls.evaluation.latency.engine_speed import Measured, Samples, Workload
    from cg2ls.evaluation.latency.server_process import Start

OURS = "ours"
KINDS = ("prefill_ms", "decode_tokens_per_s", "key_to_answer_ms")

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One measurement.

    Attributes:
        model: what was run, for people.
        machine: where.
        workload: fitted to the model.
        measured: samples by engine; `ours` is one of them.
        versions: of the engines.
        start: of our server; None if it was not measured.
        threads: of every engine.
    """

    model: Mapping[str, Any]
    machine: Mapping[str, Any]
    workload: Workload
    measured: Mapping[str, Measured]
    versions: Mapping[str, str]
    start: Start | None
    threads: int

    def to_json(self) -> Json:
        """Medians, quartiles and ratios."""
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
            "engines": {name: self._engine(name) for name in self.measured},
            "ratios": self.ratios(),
        }

    def ratios(self) -> dict[str, float]:
        """Ours by theirs: decode in rates (above 1 ours is faster), prefill and key in times (below 1)."""
        found: dict[str, float] = {}
        names = {
            "decode": "decode_tokens_per_s",
            "prefill_time": "prefill_ms",
            "key_to_answer_time": "key_to_answer_ms",
        }
        for rival in self.measured:
            if rival == OURS:
                continue
            for name, kind in names.items():
                for context in (self.workload.main_context, *self.workload.contexts):
                    suffix = "" if f"{name}_vs_{rival}" not in found else f"_{context}"
                    ratio = self.median(OURS, kind, context) / self.median(rival, kind, context)
                    found[f"{name}_vs_{rival}{suffix}"] = round(ratio, 3)
        return found

    def _engine(self, name: str) -> Json:
        found: Json = {"version": self.versions[name]}
        for kind in KINDS:
            samples: Samples = getattr(self.measured[name], kind)
            found[kind] = {str(at): round(statistics.median(values), 3) for at, values in samples.items()}
        found["quartiles"] = {
            kind: {str(at): quartiles(values) for at, values in getattr(self.measured[name], kind).items()}
            for kind in KINDS
        }
        if outside := self.measured[name].outside_ms:
            found["outside_runtime_ms_per_token"] = {
                str(at): round(statistics.median(values), 4) for at, values in outside.items()
            }
        if name == OURS:
            if self.start is not None:
                found["start_ms"] = round(self.start.start_ms, 1)
                found["memory_mb"] = None if self.start.memory_mb is None else round(self.start.memory_mb, 1)
        else:
            found["same_first_token"] = self._agreement(name)
        return found

    def _agreement(self, name: str) -> float:
        pairs = zip(self.measured[OURS].first_tokens, self.measured[name].first_tokens, strict=True)
        return round(statistics.mean(ours == theirs for ours, theirs in pairs), 3)

    def median(self, name: str, kind: str, context: int) -> float:
        """Of one engine's samples of one of KINDS at a context."""
        samples: Samples = getattr(self.measured[name], kind)
        return statistics.median(samples[context])


def quartiles(values: Sequence[float]) -> list[float]:
    """The first and the third."""
    if len(values) < 2:
        return [round(values[0], 3)] * 2
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [round(first, 3), round(third, 3)]


TITLES = {
    "prefill_ms": "prefill, ms",
    "decode_tokens_per_s": "decode, tokens/s",
    "key_to_answer_ms": "key to answer, ms",
}


def table(report: Report) -> str:
    """A heading, a table per kind of measurement with a row per engine and per ratio, and the server."""
    parts = [_heading(report), *(_kind(report, kind) for kind in KINDS)]
    if outside := report.measured[OURS].outside_ms:
        times = ", ".join(f"{median(values):.2f} ms at {at}" for at, values in sorted(outside.items()))
        parts.append(f"ours, per decoded token outside of the runtime: {times}")
    if report.start is not None:
        memory = "" if report.start.memory_mb is None else f", {report.start.memory_mb:.0f} MB resident"
        parts.append(f"server: ready {report.start.start_ms:.0f} ms after its start{memory}")
    return "\n\n".join(parts)


def _heading(report: Report) -> str:
    model, machine, work = report.model, report.machine, report.workload
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return (
        f"{model['name']}: {model['shape']}, {model['precision']}\n"
        f"{machine['cpu']}, {report.threads} threads, load {machine['load_before']}\n"
        f"{versions}; medians of {work.rounds} rounds"
    )


def _kind(report: Report, kind: str) -> str:
    contexts = report.workload.contexts
    rivals = [name for name in report.measured if name != OURS]
    rows = [[TITLES[kind], *(f"{length} tokens" for length in contexts)]]
    rows += [[name, *(f"{report.median(name, kind, at):.1f}" for at in contexts)] for name in report.measured]
    for name in rivals:
        ratios = (report.median(OURS, kind, at) / report.median(name, kind, at) for at in contexts)
        rows.append([f"ours / {name}", *(f"{ratio:.2f}" for ratio in ratios)])
    return aligned(rows, right=range(1, len(contexts) + 1))
