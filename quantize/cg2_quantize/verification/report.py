"""report.json: what a proof found, and how far from its checkpoint a conversion of trained weights may be."""

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
"""What a reader of report.json may count on; other keys say how it was measured."""


@dataclass(frozen=True, kw_only=True)
class ProofReport:
    """What was measured; None where it was not.

    Attributes:
        format: precision of the weights.
        bytes: size of the folder.
        bits_per_weight: of the weight file.
        kl_mean: mean KL divergence from the fp32 reference, nats per token.
        kl_p99: its 99th percentile.
        top1_agreement: share of tokens for which both find the same token likeliest.
        perplexity_ratio: the model's perplexity over the reference's.
        infill_exact_match_delta: share of lines whose second half was filled in exactly, less the reference's.
        first_divergence_median: tokens before greedy answers differ.
        prefill_ms: reading 256 tokens, or what the context holds.
        decode_tokens_per_s: behind them.
        bandwidth_share: of the memory bandwidth that decoding used.
        peak_memory_bytes: of the process that measured speed.
        proof: "quick" or "full".
        tokens: how many the comparison took.
        kl_error: standard error of `kl_mean`.
        top1_error: standard error of `top1_agreement`.
        reference_loss: nats per token of the reference.
        unigram_loss: of the frequencies of the set's own tokens, which know nothing of context.
        trained: whether the reference is much better than these (see `TRAINED_SHARE`).
        largest_activation: in the float32 network over the calibration set, where the format computes in float16.
        largest_activation_at: the part of the network that gave it.
        optimum_kl_mean: mean KL divergence from optimum's traced export in float32, nats per token.
        optimum_top1_agreement: share of tokens for which both find the same token likeliest.
        optimum_largest_difference: of any logit.
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
        """The object in report.json."""
        return asdict(self)

    def write(self, folder: Path) -> None:
        """Writes `folder`/report.json."""
        write_atomically(folder / REPORT, json_text(self.to_dict(), indent=2, origin=REPORT) + "\n")


SIGMAS = 2
"""Standard errors by which a measured value must miss its limit: a sample of tokens is no certainty."""


@dataclass(frozen=True)
class Limit:
    """Most mean KL divergence in nats, and least agreement on the likeliest token."""

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
    """What lies outside of the limits, in words; empty for weights that were not trained."""
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
    """Refuses a conversion that lost too much.

    Raises:
        QuantizeError: see above.
    """
    if found := list_misses(report):
        raise QuantizeError(
            f"This checkpoint loses too much in {report.format} ({'; '.join(found)});"
            " choose a larger format, or take it all the same with --allow-loss."
        )
