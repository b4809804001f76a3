"""Engine that writes a given text at the full cost of generating it.

Random weights of a shape are as fast as trained ones but write nonsense, which never equals what is typed. So their
answers follow a script: what a trained model shows at that key. Every logit is computed nevertheless.
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
"""Log-probability of every token that is not in the script."""


class ScriptedPrior:
    """Prior that puts all probability on the next token of a script.

    Args:
        tokens: the answer, including the token that ends it.
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put all probability on the next token of the script."""
        scores = np.full_like(logits, UNLIKELY)
        scores[self._tokens[min(len(generated), len(self._tokens) - 1)]] = 0.0
        return scores

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:  # noqa: ARG002 - as Prior has it
        """Draft nothing: the script must not be known beforehand."""
        return ()


class ScriptedEngine:
    """Engine whose answers follow a script.

    Args:
        engine: the engine that computes.

    Attributes:
        script: text of the next answers, after the bytes that they must begin with.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.script = ""

    @property
    def model(self) -> ModelDescription:
        """Description of the open model."""
        return self._engine.model

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Tokenizer of the model."""
        return self._engine.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return self._engine.context_length

    @property
    def last(self) -> Timing:
        """Cost of the last request."""
        return self._engine.last

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generate the script, one step at a time."""
        text = request.forced.decode("utf-8", errors="replace") + self.script
        tokens = [*self.tokenizer.encode(text), self.tokenizer.special.end_of_text]
        return self._engine.complete(replace(request, prior=ScriptedPrior(tokens)), stop)
