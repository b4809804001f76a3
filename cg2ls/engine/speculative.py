"""Drafts: tokens proposed by something cheaper than the model, and checked by it several at a time.

One call of the graph reads the last token and a draft behind it, and gives the logits after each. The answer's
tokens are then chosen from these logits exactly as they would be one by one; the draft only decides how many of
them this one call was good for (Leviathan et al. 2023, arXiv 2211.17192, with the choice itself as the check,
so that sampled answers are the same too). A draft never changes an answer where `independent_rows` holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2ls.engine.call_costs import MEASURED_CALL_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import Prior

MIN_DRAFT_SPEEDUP = 1.05
"""A draft must promise this many times the tokens per second of none."""


RECORD_DECAY = 0.85
"""Share of what is known of a source that one more draft leaves."""

ANSWER_DECAY = 0.1
"""Share of what is known of a source that an answer's end takes away."""


class DraftSource(Protocol):
    """Something that proposes what comes next.

    Attributes:
        name: what its record of success is kept under.
        cost: seconds per drafted token beside the model's own.
    """

    name: str
    cost: float

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Tokens that may come next, at most so many, perhaps none."""


class DraftHint:
    """The answer somebody expects, as long as it turns out so."""

    name, cost = "guess", 0.0

    def __init__(self, guess: Sequence[int]) -> None:
        self._guess = list(guess)

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """The guess's next tokens, unless the answer has left it."""
        done = len(generated)
        return self._guess[done : done + max_tokens] if self._guess[:done] == list(generated) else ()


class PriorDraft:
    """What the request's prior expects."""

    name, cost = "prior", 0.0

    def __init__(self, prior: Prior) -> None:
        self.draft = prior.draft


class NgramProposer:
    """What followed the last few tokens where they stood before, in prompt, guess or answer.

    Code repeats its names and phrases (prompt lookup, Saxena 2023). The nearest earlier place is taken.

    Args:
        text: tokens to look in, int64 [count], those that the answer follows last.
        max_tokens: most tokens an answer may have.
        length: how many tokens must agree.
    """

    cost = 0.0

    def __init__(self, text: NDArray[np.int64], max_tokens: int, length: int) -> None:
        self.name = f"lookup {length}"
        self._length = length
        self._prompt = len(text)
        self._text: NDArray[np.int64] = np.empty(len(text) + max_tokens, dtype=np.int64)
        self._text[: len(text)] = text
        self._noted = 0

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """What followed the last time."""
        end = self._prompt + len(generated)
        start = self._prompt + self._noted
        self._text[start:end] = generated[self._noted :]
        self._noted = len(generated)
        length = self._length
        if end <= length:
            return ()
        text = self._text[:end]
        places = np.flatnonzero(text[length - 1 : -1] == text[-1])
        for back in range(2, length + 1):
            places = places[text[places + length - back] == text[-back]]
        if not len(places):
            return ()
        follows = int(places[-1]) + length
        return [int(token) for token in text[follows : follows + max_tokens]]


@dataclass
class AcceptanceRecord:
    """How often a source was right, each draft counted with its first mistake.

    Attributes:
        right: drafted tokens that were taken.
        tried: those, and one for each mistake. Both fade, so that a source can come back.
    """

    right: float = 3.0
    tried: float = 5.0

    @property
    def acceptance(self) -> float:
        """Probability that the next drafted token is right."""
        return self.right / self.tried

    def note(self, accepted: int, *, mistaken: bool) -> None:
        """Takes in one checked draft."""
        self.right = RECORD_DECAY * self.right + accepted
        self.tried = RECORD_DECAY * self.tried + accepted + mistaken

    def forget(self) -> None:
        """Moves toward what is assumed of a source nobody has tried."""
        fresh = AcceptanceRecord()
        self.right += ANSWER_DECAY * (fresh.right - self.right)
        self.tried += ANSWER_DECAY * (fresh.tried - self.tried)


class DraftLengthPolicy:
    """How long drafts should be: as long as measured costs and each source's record make them pay.

    Args:
        costs: of calls on this machine.
    """

    def __init__(self, costs: CallCosts) -> None:
        self._costs = costs
        self._records: dict[str, AcceptanceRecord] = {}

    def choose_length(self, source: DraftSource) -> int:
        """Tokens to ask this source for; 0 where no draft pays."""
        chance = self.record(source.name).acceptance
        best, best_gain = 0, MIN_DRAFT_SPEEDUP
        for count in MEASURED_CALL_TOKENS[1:]:
            drafted = count - 1
            expected = 1 + sum(chance**place for place in range(1, drafted + 1))
            gain = expected / (self._costs.ratio(count) + drafted * source.cost / self._one())
            if gain > best_gain:
                best, best_gain = drafted, gain
        return best

    def record(self, name: str) -> AcceptanceRecord:
        """The record of one source."""
        return self._records.setdefault(name, AcceptanceRecord())

    def decay_records(self) -> None:
        """Lets old experience fade; called once an answer."""
        for record in self._records.values():
            record.forget()

    def _one(self) -> float:
        return self._costs.seconds(1) or 1.0


class Drafter:
    """Asks the sources of one answer in turn, the most reliable kind first.

    Args:
        sources: whom to ask.
        policy: how long drafts pay.
    """

    def __init__(self, sources: Sequence[DraftSource], policy: DraftLengthPolicy) -> None:
        self._sources = sources
        self._policy = policy
        self._asked = ""
        policy.decay_records()

    def draft(self, generated: Sequence[int], room: int) -> Sequence[int]:
        """The next draft.

        Args:
            generated: the answer so far.
            room: most tokens that are of any use.
        """
        for source in self._sources:
            max_tokens = min(self._policy.choose_length(source), room)
            drafted = source.draft(generated, max_tokens) if max_tokens > 0 else ()
            if len(drafted):
                self._asked = source.name
                return drafted[:max_tokens]
        return ()

    def note_checked(self, accepted: int, *, mistaken: bool) -> None:
        """Takes in how the last draft fared.

        Args:
            accepted: how many of its tokens were right.
            mistaken: whether the one after them was wrong; else the answer ended there.
        """
        self._policy.record(self._asked).note(accepted, mistaken=mistaken)


class ModelDraft:
    """The smaller model's likeliest continuation, token by token, with a cache of its own.

    Args:
        runner: the smaller model.
        prompt: of the answer, int64 [count]; only its end is read where it exceeds the smaller context.
        chunk: most tokens per call while reading.
        max_tokens: tokens the answer may have.
    """

    name = "model"

    def __init__(
        self, runner: ModelRunner, prompt: NDArray[np.int64], *, chunk: int, max_tokens: int
    ) -> None:
        room = runner.model.context_length - max_tokens - 1
        self._prompt = prompt[-room:] if room > 0 else prompt[:0]
        self._runner = runner
        self._chunk = chunk
        self._context = runner.contexts.take(self._prompt) if room > 0 else None
        self.cost = runner.costs.seconds(1)

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """See `drafting.DraftSource`. Nothing before the first token: it must not wait for a second reader."""
        if self._context is None or not generated:
            return ()
        context = self._context
        known = np.concatenate([self._prompt, np.asarray(generated, dtype=np.int64)])
        start = min(context.cached.count_common_prefix(known), len(known) - 1)
        context.cached.truncate(start)
        for chunk in range(start, len(known), self._chunk):
            logits = context.run(known[chunk : chunk + self._chunk])
        drafted = [int(logits[0].argmax())]
        while len(drafted) < max_tokens:
            logits = context.run(np.array(drafted[-1:], dtype=np.int64))
            drafted.append(int(logits[0].argmax()))
        return drafted
