"""Base of the engines of evaluation, which share properties with the real engine that computes for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.engine import Engine
    from cg2ls.engine.request import Timing
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import ModelDescription


class EngineWrapper:
    """Base of engines that change requests before a real engine answers them.

    Args:
        engine: the engine that computes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def model(self) -> ModelDescription:
        """Description of the open model."""
        return self._engine.model

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Tokenizer of the open model."""
        return self._engine.tokenizer

    @property
    def context_length(self) -> int:
        """Maximum tokens of a prompt and its answer together."""
        return self._engine.context_length

    @property
    def last(self) -> Timing:
        """Timing of the last request."""
        return self._engine.last
