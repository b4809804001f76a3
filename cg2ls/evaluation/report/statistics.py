"""From samples to the numbers that are printed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cg2ls.evaluation.latency.startup import Start
    from cg2ls.evaluation.latency.turns import Measured, Samples
    from cg2ls.evaluation.latency.workload import Workload

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
