"""How much memory a model takes, how much it may take, and giving it back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.engine.kv_cache import context_bytes
from cg2ls.engine.request import EngineError
from cg2ls.models.folder.description import GRAPH, WEIGHTS

if TYPE_CHECKING:
    from cg2ls.models.folder.description import ModelDescription

MEGABYTE = 1_000_000

PREPACKED = 1.4
"""Memory of weights in the runtime by their size on disk, at most: 1.0 to 1.35 measured (docs/design/engine.md)."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a model's memory is spent on, in bytes.

    Attributes:
        weights: the weights in the runtime, at most.
        context: keys and values of one context, once it is full.
        contexts: how many there may be.
        limit: most that all may take; None for no limit.
    """

    weights: int
    context: int
    contexts: int
    limit: int | None

    @property
    def most(self) -> int:
        """What everything takes when all contexts are full."""
        return self.weights + self.contexts * self.context

    def __str__(self) -> str:
        limit = "no limit" if self.limit is None else f"limit {self.limit / MEGABYTE:.0f} MB"
        return (
            f"{self.most / MEGABYTE:.0f} MB at most: weights {self.weights / MEGABYTE:.0f} MB,"
            f" {self.contexts} contexts of {self.context / MEGABYTE:.1f} MB; {limit}"
        )


def plan_memory(model: ModelDescription, *, contexts: int, limit_mb: float | None) -> MemoryPlan:
    """As many contexts as wanted, or as the limit has room for.

    Raises:
        EngineError: the limit has no room for the weights and one context.
    """
    weights = int(
        PREPACKED * sum(model.files[name].bytes for name in (GRAPH, WEIGHTS) if name in model.files)
    )
    context = context_bytes(model.architecture, model.context_length, model.kv_dtype)
    if limit_mb is None:
        return MemoryPlan(weights, context, contexts, None)
    limit = int(limit_mb * MEGABYTE)
    if weights + context > limit:
        raise EngineError(
            f"{model.name} needs {(weights + context) / MEGABYTE:.0f} MB, but the memory limit is"
            f" {limit_mb:.0f} MB; raise the limit or use a smaller model."
        )
    return MemoryPlan(weights, context, min(contexts, (limit - weights) // context), limit)


def give_back() -> None:
    """Returns freed memory to the system, which glibc would otherwise keep for later."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
