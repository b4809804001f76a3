"""Engines taking turns, so that a busy minute of the machine disturbs all of them alike."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.latency.workload import Prompts, Workload
    from cg2ls.evaluation.runtimes.worker_client import Remote

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
