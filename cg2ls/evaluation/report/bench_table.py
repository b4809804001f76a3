"""A speed measurement as tables."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from cg2ls.evaluation.report.statistics import KINDS, OURS
from cg2ls.table import aligned

if TYPE_CHECKING:
    from cg2ls.evaluation.report.statistics import Report

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
