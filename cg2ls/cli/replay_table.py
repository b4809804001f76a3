"""A replay's report as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cg2ls.table import aligned

SHARES = (
    "exact_line",
    "edit_similarity",
    "saved_characters",
    "shown",
    "shown_wrong",
    "wrong_of_shown",
    "whole_of_shown",
)

Json = Mapping[str, Any]


def table(report: Json) -> str:
    """A heading, latencies, and shares of all, by kind and by repository."""
    parts = [_heading(report)]
    if "keys" in report:
        parts.append(_latency(report))
    if "repositories" in report:
        parts.append(_shares(report))
    return "\n\n".join(parts)


def _heading(report: Json) -> str:
    model, machine = report["model"], report["machine"]
    return (
        f"{model['name']}: {model['precision']}, context {model['context_length']}\n"
        f"{machine['cpu']}, {machine['threads']} threads, load {machine['load_before']}; {report['files']} files"
    )


def _latency(report: Json) -> str:
    latency, read = report["latency_ms"], report["reread_tokens"]
    rows = [[f"{report['keys']} keys", "p50", "p95", "p99"]]
    rows += [
        [name, *(f"{latency[key][at]:.1f}" for at in ("p50", "p95", "p99"))]
        for name, key in (("key to first token, ms", "first_token"), ("key to line, ms", "line"))
    ]
    rows.append(["tokens read", f"{read['p50']:.0f}", f"{read['p95']:.0f}", ""])
    return (
        aligned(rows, right=(1, 2, 3)) + f"\n{report['before_next_key']:.1%} answered before the next key,"
        f" {1 - report['asked_engine']:.1%} without the model; silent at {report['silent_keys']} keys"
    )


def _shares(report: Json) -> str:
    names = [name for name in SHARES if name in report]
    rows = [["", *names], ["all", *_row(report, names)]]
    rows.append(["  95 % of draws", *("{:.3f}-{:.3f}".format(*report["spread"][name]) for name in names)])
    for kind in ("kinds", "repositories"):
        rows += [[name, *_row(shares, names)] for name, shares in report[kind].items()]
    return aligned(rows, right=range(1, len(names) + 1))


def _row(shares: Json, names: list[str]) -> list[str]:
    return [f"{shares[name]:.3f}" if name in shares else "" for name in names]
