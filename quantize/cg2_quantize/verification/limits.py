"""How far a conversion of trained weights may be from its checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    from cg2_quantize.verification.report import ProofReport

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


def misses(report: ProofReport) -> list[str]:
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
    if found := misses(report):
        raise QuantizeError(
            f"This checkpoint loses too much in {report.format} ({'; '.join(found)});"
            " choose a larger format, or take it all the same with --allow-loss."
        )
