"""An engine that is told what to say and works as hard as if it had found it out.

Random weights of a given shape are as fast as trained ones but say nonsense, of which nobody types a word. So
their answers are dictated: what a trained model shows at that key. Every logit is computed all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine import Engine, Request, Step
    from cg2ls.engine.request import Timing
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import ModelDescription

UNLIKELY = -100.0
"""Log-probability of every token that is not dictated."""


class Dictation:
    """A prior that is sure of every token.

    Args:
        tokens: the answer, the token that ends it included.
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """All of the probability on the next dictated token."""
        scores = np.full_like(logits, UNLIKELY)
        scores[self._tokens[min(len(generated), len(self._tokens) - 1)]] = 0.0
        return scores

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:  # noqa: ARG002 - as Prior has it
        """Nothing: what is dictated must not be known beforehand."""
        return ()


class DictatedEngine:
    """An engine whose answers are dictated.

    Args:
        engine: does the work.

    Attributes:
        script: what the next answers say behind the bytes that they must begin with.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.script = ""

    @property
    def model(self) -> ModelDescription:
        """What the open model is."""
        return self._engine.model

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Its tokenizer."""
        return self._engine.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return self._engine.context_length

    @property
    def last(self) -> Timing:
        """What the last request cost."""
        return self._engine.last

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generates the script, one step at a time."""
        text = request.forced.decode("utf-8", errors="replace") + self.script
        tokens = [*self.tokenizer.encode(text), self.tokenizer.special.end_of_text]
        return self._engine.complete(replace(request, prior=Dictation(tokens)), stop)
