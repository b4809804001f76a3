"""The `Completion` that each outcome of a request gives."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.types import Completion, Reason

if TYPE_CHECKING:
    from cg2ls.completion.confidence_gate import Gate
    from cg2ls.completion.generate import Other
    from cg2ls.completion.postprocess.pipeline import Processed
    from cg2ls.completion.reuse.typed_through import Rest
    from cg2ls.completion.trigger.suppression import Suppression


def first_shown(found: list[Completion]) -> Completion:
    """Return the first one with text, with the others; the first of all if none has any."""
    first, *more = [each for each in found if each.text] or found[:1]
    return replace(first, others=tuple(more)) if more else first


def alternative(other: Other, first: Completion, offset: int) -> Completion:
    """Return a further completion of the same cursor."""
    return replace(
        first,
        text=other.processed.text,
        replace_end_offset=offset + other.processed.replace_length,
        logprob=other.logprob,
        tokens=other.tokens,
        reason="shown",
        rules=other.processed.rules,
    )


def reason_of(processed: Processed, gate: Gate) -> Reason:
    """Tell why a completion is shown or not."""
    if processed.text:
        return "shown"
    return "empty" if gate.sure else "unsure"


def rest_of_suggestion(offset: int, rest: Rest, began: float) -> Completion:
    """Return what is left of an earlier suggestion."""
    return Completion(
        text=rest.text,
        replace_end_offset=offset + rest.replace_length,
        logprob=rest.logprob,
        tokens=0,
        latency_ms=(perf_counter() - began) * 1000,
        reason="shown" if rest.text else "empty",
        source="typed_through",
    )


def suppressed(offset: int, reason: Suppression, began: float) -> Completion:
    """Return the empty completion of a request that was suppressed."""
    return Completion(
        text="",
        replace_end_offset=offset,
        logprob=0.0,
        tokens=0,
        latency_ms=(perf_counter() - began) * 1000,
        reason="silent",
        suppression=reason,
    )
