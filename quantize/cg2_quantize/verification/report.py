"""report.json: the results of a proof, and the limits for conversions of trained weights."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cg2_quantize.errors import QuantizeError
from cg2ls.files import write_atomically
from cg2ls.jsontext import json_text

if TYPE_CHECKING:
    from pathlib import Path


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
        parameters: number of the model's parameters.
        tokens: number of tokens compared.
        documents: number of rows of text they come from, which count as independent.
        kl_error: standard error of `kl_mean` over documents.
        top1_error: standard error of `top1_agreement` over documents.
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
    parameters: int = 0
    tokens: int = 0
    documents: int = 0
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


@dataclass(frozen=True)
class Limit:
    """Maximum mean KL divergence in nats, and minimum agreement on the likeliest token."""

    kl: float
    agreement: float


FLOAT_LIMITS = {"fp32": Limit(1e-6, 0.999), "fp16": Limit(1e-4, 0.99), "bf16": Limit(5e-3, 0.95)}
"""Limits of the float formats at every size."""

FRONTIER = {
    27_300_000: {
        "int8": (1.61e-3, 0.982),
        "int6": (1.50e-2, 0.943),
        "int4": (3.16e-2, 0.928),
        "nf4": (6.34e-2, 0.900),
    },
    117_500_000: {
        "int8": (1.90e-3, 0.977),
        "int6": (2.50e-2, 0.936),
        "int4": (4.61e-2, 0.905),
        "nf4": (6.67e-2, 0.884),
    },
}
"""Mean KL and agreement by number of parameters and format: `cg2-quantize frontier CHECKPOINT`
(docs/reference/quantize.md, Frontier)."""

LIMIT_FACTOR = 1.5
"""Factor by which a conversion may lose more than the frontier's model of its size."""

T_QUANTILES = (
    (1, 12.71),
    (2, 4.30),
    (3, 3.18),
    (4, 2.78),
    (5, 2.57),
    (7, 2.36),
    (10, 2.23),
    (15, 2.13),
    (30, 2.04),
)
"""Degrees of freedom, and Student's t that 2.5 % exceed: a value misses its limit only beyond this error."""


def find_limit(name: str, parameters: int) -> Limit:
    """Return the limit of a format for a size: that of the largest measured model which is not larger.

    Args:
        name: the format.
        parameters: number of the model's parameters; models below the smallest measured one have its limit.
    """
    if name in FLOAT_LIMITS:
        return FLOAT_LIMITS[name]
    size = max((each for each in FRONTIER if each <= parameters), default=min(FRONTIER))
    kl, agreement = FRONTIER[size][name]
    return Limit(LIMIT_FACTOR * kl, 1 - LIMIT_FACTOR * (1 - agreement))


def compute_margin(error: float | None, documents: int) -> float:
    """Return the error of a mean over documents that 2.5 % exceed; 0 where it is unknown, NaN for NaN.

    Args:
        error: standard error of the mean.
        documents: number of documents.
    """
    if error is None or documents < 2:
        return 0.0 * (error or 0.0)
    return error * next(value for freedom, value in reversed(T_QUANTILES) if freedom <= documents - 1)


def list_misses(report: ProofReport) -> list[str]:
    """Describe what is outside of the limits; an empty list for untrained weights."""
    if report.kl_mean is None or report.top1_agreement is None:
        return []
    if not (math.isfinite(report.kl_mean) and math.isfinite(report.top1_agreement)):
        return ["a measured value is not finite"]
    if not report.trained:
        return []
    limit, found = find_limit(report.format, report.parameters), []
    if not report.kl_mean - compute_margin(report.kl_error, report.documents) <= limit.kl:
        found.append(f"mean KL divergence {report.kl_mean:.2g} instead of at most {limit.kl:.2g}")
    if not report.top1_agreement + compute_margin(report.top1_error, report.documents) >= limit.agreement:
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
