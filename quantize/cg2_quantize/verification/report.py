"""report.json: the results of a proof, the limits for conversions of trained weights, and the report as a page."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2ls.files import write_atomically
from cg2ls.jsontext import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cg2_quantize.verification.comparison import NetworkComparison


REPORT = "report.json"
PAGE = "report.html"

KEYS = (
    *("format", "bytes", "bits_per_weight", "kl_mean", "kl_p99", "top1_agreement", "perplexity_ratio"),
    *("infill_exact_match_delta", "first_divergence_median", "prefill_ms", "decode_tokens_per_s"),
    *("bandwidth_share", "peak_memory_bytes"),
)
"""Keys that report.json always has; other keys state how they were measured."""


@dataclass(frozen=True, kw_only=True)
class ProofReport:
    """Results of a proof; None for what was not measured.

    Attributes:
        format: precision of the weights.
        bytes: size of the folder.
        bits_per_weight: bits of the weight file per parameter.
        kl_mean: mean KL divergence from the fp32 reference, nats per token.
        kl_p99: its 99th percentile.
        top1_agreement: share of tokens for which both find the same token likeliest.
        perplexity_ratio: the model's perplexity over the reference's.
        infill_exact_match_delta: share of lines whose second half was filled in exactly, less the reference's.
        first_divergence_median: tokens before greedy answers differ.
        prefill_ms: time to read 256 tokens, or as many as the context holds.
        decode_tokens_per_s: decoding speed after them.
        bandwidth_share: share of the memory bandwidth that decoding used.
        peak_memory_bytes: peak memory of the process that measured speed.
        proof: "quick" or "full".
        tokens: number of tokens compared.
        kl_error: standard error of `kl_mean`.
        top1_error: standard error of `top1_agreement`.
        reference_loss: loss of the reference, nats per token.
        unigram_loss: loss of the set's token frequencies, which ignore context.
        trained: whether the reference's loss is much lower (see `TRAINED_SHARE`).
        largest_activation: largest value of the float32 network over the calibration set, for float16 formats.
        largest_activation_at: the part of the network that computed it.
        optimum_kl_mean: mean KL divergence from optimum's traced export in float32, nats per token.
        optimum_top1_agreement: share of tokens for which both find the same token likeliest.
        optimum_largest_difference: largest difference of a logit.
    """

    format: str
    bytes: int
    bits_per_weight: float
    kl_mean: float | None = None
    kl_p99: float | None = None
    top1_agreement: float | None = None
    perplexity_ratio: float | None = None
    infill_exact_match_delta: float | None = None
    first_divergence_median: float | None = None
    prefill_ms: float | None = None
    decode_tokens_per_s: float | None = None
    bandwidth_share: float | None = None
    peak_memory_bytes: int | None = None
    proof: str = "quick"
    tokens: int = 0
    kl_error: float | None = None
    top1_error: float | None = None
    reference_loss: float | None = None
    unigram_loss: float | None = None
    trained: bool | None = None
    largest_activation: float | None = None
    largest_activation_at: str | None = None
    optimum_kl_mean: float | None = None
    optimum_top1_agreement: float | None = None
    optimum_largest_difference: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the object in report.json."""
        return asdict(self)

    def write(self, folder: Path) -> None:
        """Write `folder`/report.json."""
        write_atomically(folder / REPORT, json_text(self.to_dict(), indent=2, origin=REPORT) + "\n")


SIGMAS = 2
"""Standard errors by which a measured value must miss its limit, since it comes from a sample of tokens."""


@dataclass(frozen=True)
class Limit:
    """Maximum mean KL divergence in nats, and minimum agreement on the likeliest token."""

    kl: float
    agreement: float


LIMITS = {
    "fp32": Limit(1e-6, 0.999),
    "fp16": Limit(1e-4, 0.99),
    "bf16": Limit(5e-3, 0.95),
    "int8": Limit(2e-3, 0.985),
    "int4": Limit(3e-2, 0.94),
    "nf4": Limit(4e-2, 0.92),
}


def list_misses(report: ProofReport) -> list[str]:
    """Describe what is outside of the limits; an empty list for untrained weights."""
    if report.kl_mean is None or report.top1_agreement is None:
        return []
    if not (math.isfinite(report.kl_mean) and math.isfinite(report.top1_agreement)):
        return ["a measured value is not finite"]
    if not report.trained:
        return []
    limit, found = LIMITS[report.format], []
    if not report.kl_mean - SIGMAS * (report.kl_error or 0) <= limit.kl:
        found.append(f"mean KL divergence {report.kl_mean:.2g} instead of at most {limit.kl:.2g}")
    if not report.top1_agreement + SIGMAS * (report.top1_error or 0) >= limit.agreement:
        found.append(f"top-1 agreement {report.top1_agreement:.2%} instead of at least {limit.agreement:.1%}")
    return found


def check_limits(report: ProofReport) -> None:
    """Refuse a conversion that lost too much.

    Raises:
        QuantizeError: see above.
    """
    if found := list_misses(report):
        raise QuantizeError(
            f"This checkpoint loses too much in {report.format} ({'; '.join(found)});"
            " choose a larger format, or accept the loss with --allow-loss."
        )


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
<p>Compared with the float32 network of the same checkpoint over {report.tokens} tokens of held-out code,
teacher-forced, in calls of 128 tokens ({escape(report.proof)} proof). What was not measured is a dash.</p>
</html>
"""


def _render_verdict(report: ProofReport) -> str:
    if report.kl_mean is None:
        return "The logits were not compared."
    if not report.trained:
        return (
            "The checkpoint is hardly better than a table of token frequencies, so its limits do not apply."
        )
    limit = LIMITS[report.format]
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
