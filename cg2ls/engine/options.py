"""How a model is kept open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.engine.kv_cache_pool import MOST_CONTEXTS
from cg2ls.engine.request import EngineError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of an open model, all of them optional.

    Attributes:
        contexts: documents whose text may stay read at once, at least 1.
        memory_mb: most that weights and contexts may take, in 10^6 bytes; None for no limit. Fewer contexts
            are made where they would not fit.
        idle_s: seconds without a request after which the model's memory is freed until the next; None for
            never.
        drafts: whether drafts are used; None where they cannot change an answer (`independent_rows`).
        draft_model: folder of a smaller model with the same tokenizer that drafts, too; None for none.
        cuda_graph: whether CUDA replays recorded decode steps, which saves their launches.
    """

    contexts: int = MOST_CONTEXTS
    memory_mb: float | None = None
    idle_s: float | None = None
    drafts: bool | None = None
    draft_model: Path | None = None
    cuda_graph: bool = True

    def __post_init__(self) -> None:
        if self.contexts < 1:
            raise EngineError(f"contexts is {self.contexts}, but must be at least 1.")
        for name in ("memory_mb", "idle_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise EngineError(f"{name} is {value}, but must be above 0.")
