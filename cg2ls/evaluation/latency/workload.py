"""What is measured: lengths, rounds and prompts."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.evaluation.errors import BenchError

if TYPE_CHECKING:
    from cg2ls.models.folder.description import ModelDescription

MAIN_CONTEXT = 512
"""Tokens; ratios without a number in their name are taken at this context, or the one nearest to it."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Lengths in tokens, and how often each is measured.

    Attributes:
        contexts: prompt lengths.
        decode_tokens: tokens decoded after a prompt, over which the rate is taken.
        answer_tokens: most tokens of the answer to one typed key.
        rounds: times each engine gets a turn at each context.
        seed: of the prompts.
    """

    contexts: tuple[int, ...] = (64, 512, 1024)
    decode_tokens: int = 64
    answer_tokens: int = 8
    rounds: int = 7
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("decode_tokens", "answer_tokens", "rounds"):
            if getattr(self, name) < 1:
                raise BenchError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if not self.contexts or min(self.contexts) < 2:
            raise BenchError("contexts needs numbers of tokens, each at least 2.")

    def fitted(self, context_length: int) -> Workload:
        """The same workload for a model: contexts that leave no room to decode are shortened.

        Raises:
            BenchError: the model's context cannot hold even the decoded tokens.
        """
        most = context_length - max(self.decode_tokens, self.answer_tokens) - 2
        if most < 2:
            raise BenchError(
                f"A context of {context_length} tokens is too short to decode {self.decode_tokens};"
                " lower --decode-tokens."
            )
        return replace(self, contexts=tuple(sorted({min(length, most) for length in self.contexts})))

    @property
    def main_context(self) -> int:
        """The context that unnamed ratios are taken at."""
        return min(self.contexts, key=lambda length: abs(length - MAIN_CONTEXT))


class Prompts:
    """Random prompts of ordinary tokens: what they say does not change how long they take.

    No prompt begins with the token the one before began with, so that no engine finds it in its cache.

    Args:
        vocabulary: ids below this are drawn.
        seed: of the prompts.
    """

    def __init__(self, vocabulary: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._vocabulary = vocabulary
        self._made = 0

    @classmethod
    def of(cls, model: ModelDescription, seed: int) -> Prompts:
        """Prompts of the ids before the end-of-text token: the byte-pair vocabulary, no added token."""
        return cls(model.tokens.end_of_text or model.architecture.vocab_size, seed)

    def take(self, length: int) -> list[int]:
        """The next prompt, of this many tokens."""
        self._made += 1
        rest = [self._random.randrange(self._vocabulary) for _ in range(length - 1)]
        return [self._made % self._vocabulary, *rest]

    def key(self) -> int:
        """One token, as a typed key brings it."""
        return self._random.randrange(self._vocabulary)
