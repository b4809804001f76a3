"""Engines taking turns, so that a busy minute of the machine disturbs all of them alike."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cg2ls.evaluation.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.runtimes.other_runtimes import Remote
    from cg2ls.models.folder.description import ModelDescription

REST_S = 0.3
"""Before every turn. Threads of Intel's OpenMP, which CTranslate2 uses, spin for 200 ms after their work
(KMP_BLOCKTIME) and would take a core from the next engine."""

WARM_TOKENS = 16
"""Length of the prompt that wakes an engine before its turn; not timed."""

Samples = defaultdict[int, list[float]]


@dataclass
class Measured:
    """One engine's samples, one per round, by context in tokens.

    Attributes:
        prefill_ms: reading a prompt that nothing is kept of, until the first token is known.
        decode_tokens_per_s: tokens after the first, by the time from the first to the last.
        key_to_answer_ms: reading one token more than a kept prompt, until the answer's last token.
        outside_ms: of the time per decoded token, what was not spent in the runtime; empty where an engine does
            not say.
        first_tokens: the first token after each prompt, in order.
    """

    prefill_ms: Samples = field(default_factory=lambda: defaultdict(list))
    decode_tokens_per_s: Samples = field(default_factory=lambda: defaultdict(list))
    key_to_answer_ms: Samples = field(default_factory=lambda: defaultdict(list))
    outside_ms: Samples = field(default_factory=lambda: defaultdict(list))
    first_tokens: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Turn:
    """What every engine is given at one context in one round."""

    warm: list[int]
    prompt: list[int]
    kept: list[int]
    key: int

    @classmethod
    def draw(cls, prompts: Prompts, context: int) -> Turn:
        """Prompts of this length."""
        warm = prompts.take(min(context, WARM_TOKENS))
        return cls(warm, prompts.take(context), prompts.take(context), prompts.key())


def measure(
    remotes: Sequence[Remote],
    workload: Workload,
    prompts: Prompts,
    *,
    rest: Callable[[float], None] = time.sleep,
) -> dict[str, Measured]:
    """Runs all rounds, after one that is not counted. Who begins changes from round to round.

    Args:
        remotes: the engines.
        workload: fitted to the model.
        prompts: where prompts come from.
        rest: waits so many seconds.

    Raises:
        BenchError: a worker ended.
    """
    measured = {remote.name: Measured() for remote in remotes}
    for number in range(workload.rounds + 1):
        begin = number % len(remotes)
        order = [*remotes[begin:], *remotes[:begin]]
        into = measured if number else {remote.name: Measured() for remote in remotes}
        for context in workload.contexts:
            turn = Turn.draw(prompts, context)
            for remote in order:
                rest(REST_S)
                take_turn(remote, turn, context, workload, into[remote.name])
    return measured


def take_turn(remote: Remote, turn: Turn, context: int, workload: Workload, into: Measured) -> None:
    """One engine at one context."""
    remote.generate(turn.warm, 2)
    cold = remote.generate(turn.prompt, 1 + workload.decode_tokens)
    answered = remote.key(turn.kept, turn.key, workload.answer_tokens)
    first, last = cold["ms"][0], cold["ms"][-1]
    into.prefill_ms[context].append(first)
    into.decode_tokens_per_s[context].append(1e3 * workload.decode_tokens / (last - first))
    into.key_to_answer_ms[context].append(answered["ms"][-1])
    if cold["outside_ms"] is not None:
        into.outside_ms[context].append(cold["outside_ms"])
    into.first_tokens.append(cold["tokens"][0])


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
