"""Engine that writes a given text at the full cost of generating it.

Random weights of a shape are as fast as trained ones but write nonsense, which never equals what is typed. So their
answers follow a script: the text that a trained model shows at that key. Still, every logit is computed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.evaluation.engine_wrapper import EngineWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine import Engine, Request, Step

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

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:  # noqa: ARG002 - Prior's signature
        """Draft nothing: the script must not be known beforehand."""
        return ()


class ScriptedEngine(EngineWrapper):
    """Engine whose answers follow a script.

    Args:
        engine: the engine that computes.

    Attributes:
        script: text of the next answers, after the bytes that they must begin with.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.script = ""

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Generate the script, one step at a time."""
        text = request.forced.decode("utf-8", errors="replace") + self.script
        tokens = [*self.tokenizer.encode(text), self.tokenizer.special.end_of_text]
        return self._engine.complete(replace(request, prior=ScriptedPrior(tokens)), stop)
