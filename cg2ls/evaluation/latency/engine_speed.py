"""Speed of engines that take turns, so that a busy minute of the machine disturbs all of them equally."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.progress import untracked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.progress import Track
    from cg2ls.evaluation.runtimes.other_runtimes import WorkerClient
    from cg2ls.models.folder.description import ModelDescription

MAIN_CONTEXT_TOKENS = 512
"""Ratios without a number in their name are taken at this context, or the one nearest to it."""

REST_S = 0.3
"""Pause before every turn. Threads of Intel's OpenMP, which CTranslate2 uses, spin for 200 ms after their work
(KMP_BLOCKTIME) and would take a core from the next engine."""

WARM_UP_TOKENS = 16
"""Length of the untimed prompt before an engine's turn."""

Samples = defaultdict[int, list[float]]
"""Values by context in tokens."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Lengths in tokens, and how often each is measured.

    Attributes:
        contexts: prompt lengths.
        decode_tokens: tokens decoded after a prompt, over which the rate is taken.
        answer_tokens: tokens of the answer to one typed key.
        rounds: turns of each engine at each context.
        seed: seed of the prompts.
    """

    contexts: tuple[int, ...] = (64, 512, 1024)
    decode_tokens: int = 64
    answer_tokens: int = 8
    rounds: int = 7
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("decode_tokens", "answer_tokens", "rounds"):
            if getattr(self, name) < 1:
                raise EvaluationError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if not self.contexts or min(self.contexts) < 2:
            raise EvaluationError("contexts needs numbers of tokens, each at least 2.")

    def fit_to(self, context_length: int) -> Workload:
        """Return the same workload with contexts that leave enough of the model's context to decode.

        Raises:
            EvaluationError: the model's context has no room even for the decoded tokens.
        """
        max_context = context_length - max(self.decode_tokens, self.answer_tokens) - 2
        if max_context < 2:
            raise EvaluationError(
                f"A context of {context_length} tokens is too short to decode {self.decode_tokens};"
                " lower --decode-tokens."
            )
        return replace(self, contexts=tuple(sorted({min(length, max_context) for length in self.contexts})))

    @property
    def main_context(self) -> int:
        """The context of ratios without a number in their name."""
        return min(self.contexts, key=lambda length: abs(length - MAIN_CONTEXT_TOKENS))


class Prompts:
    """Random prompts of ordinary tokens; their content does not change the time that they take.

    No prompt begins with the first token of the prompt before, so that no engine finds it in its cache.

    Args:
        vocabulary: ids below this are drawn.
        seed: seed of the prompts.
    """

    def __init__(self, vocabulary: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._vocabulary = vocabulary
        self._made = 0

    @classmethod
    def of(cls, model: ModelDescription, seed: int) -> Prompts:
        """Make prompts of the ids before the end-of-text token: byte-pair tokens, no added token."""
        return cls(model.tokens.end_of_text or model.architecture.vocab_size, seed)

    def draw_prompt(self, length: int) -> list[int]:
        """Draw the next prompt of a length."""
        self._made += 1
        rest = [self._random.randrange(self._vocabulary) for _ in range(length - 1)]
        return [self._made % self._vocabulary, *rest]

    def draw_key(self) -> int:
        """Draw one token, as a typed key adds it."""
        return self._random.randrange(self._vocabulary)


@dataclass
class EngineSamples:
    """One engine's samples, one per round, by context in tokens.

    Attributes:
        prefill_ms: time to read an uncached prompt, until the first token is known.
        decode_tokens_per_s: tokens after the first, divided by the time from the first to the last.
        key_to_answer_ms: time to read one token more than a cached prompt, until the answer's last token.
        outside_ms: the part of the time per decoded token that was not spent in the runtime; empty if the engine does
            not report it.
        first_tokens: the first token after each prompt, in order.
    """

    prefill_ms: Samples = field(default_factory=lambda: defaultdict(list))
    decode_tokens_per_s: Samples = field(default_factory=lambda: defaultdict(list))
    key_to_answer_ms: Samples = field(default_factory=lambda: defaultdict(list))
    outside_ms: Samples = field(default_factory=lambda: defaultdict(list))
    first_tokens: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Turn:
    """Prompts that every engine gets at one context in one round.

    Attributes:
        context: the prompts' length.
        warm_up: an untimed prompt.
        prompt: the prompt whose prefill and decoding are timed.
        cached: the prompt that is read before a key is typed.
        key: the token that the key adds to `cached`.
    """

    context: int
    warm_up: list[int]
    prompt: list[int]
    cached: list[int]
    key: int

    @classmethod
    def draw(cls, prompts: Prompts, context: int) -> Turn:
        """Draw the prompts of a turn."""
        warm_up = prompts.draw_prompt(min(context, WARM_UP_TOKENS))
        return cls(
            context, warm_up, prompts.draw_prompt(context), prompts.draw_prompt(context), prompts.draw_key()
        )


def measure_engines(
    workers: Sequence[WorkerClient],
    workload: Workload,
    prompts: Prompts,
    *,
    rest: Callable[[float], None] = time.sleep,
    track: Track = untracked,
) -> dict[str, EngineSamples]:
    """Run all rounds after one that does not count; another engine begins in each round.

    Args:
        workers: the engines.
        workload: the workload, fitted to the model.
        prompts: the source of prompts.
        rest: waits a number of seconds.
        track: shows the number of finished rounds.

    Raises:
        EvaluationError: a worker ended.
    """
    found = {worker.name: EngineSamples() for worker in workers}
    for number in track(range(workload.rounds + 1), "rounds", workload.rounds + 1):
        first = number % len(workers)
        order = [*workers[first:], *workers[:first]]
        samples = found if number else {worker.name: EngineSamples() for worker in workers}
        for context in workload.contexts:
            turn = Turn.draw(prompts, context)
            for worker in order:
                rest(REST_S)
                take_turn(worker, turn, workload, samples[worker.name])
    return found


def take_turn(worker: WorkerClient, turn: Turn, workload: Workload, samples: EngineSamples) -> None:
    """Measure one engine at one context and add its samples."""
    worker.generate(turn.warm_up, 2)
    cold = worker.generate(turn.prompt, 1 + workload.decode_tokens)
    answered = worker.answer_key(turn.cached, turn.key, workload.answer_tokens)
    first_ms, *_, last_ms = _read_times(cold)
    samples.prefill_ms[turn.context].append(first_ms)
    samples.decode_tokens_per_s[turn.context].append(1e3 * workload.decode_tokens / (last_ms - first_ms))
    samples.key_to_answer_ms[turn.context].append(_read_times(answered)[-1])
    if cold["outside_ms"] is not None:
        samples.outside_ms[turn.context].append(cold["outside_ms"])
    samples.first_tokens.append(cold["tokens"][0])


def _read_times(reply: dict[str, Any]) -> Sequence[float]:
    """Return the times of an answer's tokens: those that the runtime reports itself, if it does."""
    times: Sequence[float] = reply.get("reported_ms") or reply["ms"]
    return times
