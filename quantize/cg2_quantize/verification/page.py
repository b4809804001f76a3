"""The report as a page: one HTML file, its plots drawn in it as SVG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.verification.report import find_limit, list_misses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2_quantize.verification.comparison import NetworkComparison
    from cg2_quantize.verification.report import ProofReport

STYLE = """
:root { color-scheme: light dark; --ink: #222; --line: #888; --mark: #2a6fb0; --paper: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --mark: #6cb0ee; --paper: #1b1b1b } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46em; margin: 2em auto; padding: 0 1em }
h2 { font-size: 1em }
table { border-collapse: collapse }
td { padding: .15em 1.5em .15em 0 }
td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums }
svg text { fill: var(--ink); font-size: 12px }
svg .axis { stroke: var(--line) }
svg .curve { stroke: var(--mark); fill: none; stroke-width: 2 }
svg .bar { fill: var(--mark) }
.bad { color: #c0392b }
"""

LABELS = {
    "bytes": ("size", "bytes"),
    "bits_per_weight": ("bits per weight", ""),
    "kl_mean": ("mean KL divergence", "nats per token"),
    "kl_p99": ("99th percentile of it", "nats"),
    "top1_agreement": ("same likeliest token", "share of tokens"),
    "perplexity_ratio": ("perplexity over the reference's", ""),
    "reference_loss": ("loss of the checkpoint itself", "nats per token"),
    "unigram_loss": ("loss of token frequencies alone", "nats per token"),
    "largest_activation": ("largest activation (float16 holds 65,504)", ""),
    "infill_exact_match_delta": ("lines filled in exactly, less the reference's", "share of lines"),
    "first_divergence_median": ("tokens before greedy answers differ, median", ""),
    "prefill_ms": ("reading a prompt", "ms"),
    "decode_tokens_per_s": ("decoding", "tokens per second"),
    "bandwidth_share": ("memory bandwidth used", "share"),
    "peak_memory_bytes": ("peak memory", "bytes"),
    "optimum_kl_mean": ("mean KL divergence from optimum's export", "nats per token"),
    "optimum_top1_agreement": ("same likeliest token as it", "share of tokens"),
    "optimum_largest_difference": ("largest difference of a logit from it", ""),
}

MIN_KL_POWER, MAX_KL_POWER = -6, 1
"""Range of the KL divergences that are drawn, powers of ten in nats."""

MIN_SHARE_POWER = -5
"""Smallest share of tokens that is drawn, a power of ten."""


def render_page(name: str, report: ProofReport, streamed: NetworkComparison | None) -> str:
    """Render a report as HTML."""
    values = report.to_dict()
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{_format_number(values[key])}</td><td>{escape(unit)}</td></tr>\n"
        for key, (label, unit) in LABELS.items()
    )
    title = f"{escape(name)} in {report.format}"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>
<h1>{title}</h1>
<p>{_render_verdict(report)}</p>
<table>{rows}</table>
{"" if streamed is None else _render_plots(streamed)}
<p>Compared with the float32 network of the same checkpoint over {report.tokens} tokens of held-out code
in {report.documents} rows, teacher-forced, in calls of 128 tokens ({escape(report.proof)} proof).
What was not measured is a dash.</p>
</html>
"""


def _render_verdict(report: ProofReport) -> str:
    if report.kl_mean is None:
        return "The logits were not compared."
    if not report.trained:
        return (
            "The checkpoint is hardly better than a table of token frequencies, so its limits do not apply."
        )
    limit = find_limit(report.format, report.parameters)
    stated = f"limits of {report.format}: mean KL {limit.kl:g}, agreement {limit.agreement:.1%}"
    if found := list_misses(report):
        return f'<span class="bad">Outside of its limits: {escape("; ".join(found))}</span> ({stated}).'
    return f"Within its limits ({stated})."


def _render_plots(streamed: NetworkComparison) -> str:
    kl = np.sort(np.maximum(streamed.measures.values("kl"), 1e-9))[::-1]
    picked = np.unique(np.geomspace(1, len(kl), 200).astype(int)) - 1
    points = [(math.log10(kl[index]), math.log10((index + 1) / len(kl))) for index in picked]
    drawn = draw_curve(
        "Share of tokens (up) whose KL divergence exceeds so many nats (across)",
        points,
        (MIN_KL_POWER, MAX_KL_POWER),
        (MIN_SHARE_POWER, 0),
    )
    if streamed.layer_errors:
        drawn += draw_bars("Relative error of the residual stream after each block", streamed.layer_errors)
    return drawn


def _format_number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


WIDTH, HEIGHT = 460, 200
"""Size of the area between the axes, pixels."""

LEFT_MARGIN, BOTTOM_MARGIN = 56, 26
"""Margins for labels, pixels."""

MAX_LABELS = 8


def draw_curve(
    title: str, points: Sequence[tuple[float, float]], across: tuple[int, int], up: tuple[int, int]
) -> str:
    """Draw a line through points given as powers of ten, between powers of ten."""

    def place(x: float, y: float) -> str:
        right = _share(x, *across) * WIDTH
        return f"{LEFT_MARGIN + right:.1f} {(1 - _share(y, *up)) * HEIGHT:.1f}"

    path = f'<path class="curve" d="M{"L".join(place(x, y) for x, y in points)}"/>'
    return _draw_frame(title, path, _label_powers(*across), _label_powers(*up))


def draw_bars(title: str, values: Sequence[float]) -> str:
    """Draw a bar per value, from 0."""
    top = max(values) * 1.1 or 1.0
    wide = WIDTH / len(values)
    drawn = "".join(
        f'<rect class="bar" x="{LEFT_MARGIN + index * wide + 1:.1f}" y="{HEIGHT * (1 - value / top):.1f}"'
        f' width="{max(1.0, wide - 2):.1f}" height="{HEIGHT * value / top:.1f}"/>'
        for index, value in enumerate(values)
    )
    step = max(1, len(values) // MAX_LABELS)
    across = [(str(index), (index + 0.5) / len(values)) for index in range(0, len(values), step)]
    return _draw_frame(title, drawn, across, [(f"{top * share:.3f}", share) for share in (0.0, 0.5, 1.0)])


def _draw_frame(
    title: str, inside: str, across: Sequence[tuple[str, float]], up: Sequence[tuple[str, float]]
) -> str:
    """Draw axes with labels at shares of their lengths."""
    below = (
        f'<text x="{LEFT_MARGIN + WIDTH * share:.1f}" y="{HEIGHT + 18}" text-anchor="middle">{label}</text>'
        for label, share in across
    )
    beside = (
        f'<text x="{LEFT_MARGIN - 6}" y="{HEIGHT * (1 - share) + 4:.1f}" text-anchor="end">{label}</text>'
        for label, share in up
    )
    name = escape(title)
    right, labels = LEFT_MARGIN + WIDTH, "".join((*below, *beside))
    box = f"0 -10 {right + 20} {HEIGHT + BOTTOM_MARGIN + 10}"
    return f"""<h2>{name}</h2>
<svg viewBox="{box}" width="{right}" role="img" aria-label="{name}">
<path class="axis" fill="none" d="M{LEFT_MARGIN} 0V{HEIGHT}H{right}"/>{inside}{labels}</svg>
"""


def _share(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _label_powers(low: int, high: int) -> list[tuple[str, float]]:
    return [(f"1e{power}", _share(power, low, high)) for power in range(low, high + 1)]
