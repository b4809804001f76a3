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

from cg2ls.engine.call_costs import SAMPLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.call_costs import CallCosts
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import Prior

LEAST_GAIN = 1.05
"""A draft must promise this many times the tokens per second of none."""


KEPT = 0.85
"""Share of what is known of a source that one more draft leaves."""

FORGOTTEN = 0.1
"""Share of what is known of a source that an answer's end takes away."""


class Source(Protocol):
    """Something that proposes what comes next.

    Attributes:
        name: what its record of success is kept under.
        cost: seconds per drafted token beside the model's own.
    """

    name: str
    cost: float

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """Tokens that may come next, at most so many, perhaps none."""


class DraftHint:
    """The answer somebody expects, as long as it turns out so."""

    name, cost = "guess", 0.0

    def __init__(self, guess: Sequence[int]) -> None:
        self._guess = list(guess)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """The guess's next tokens, unless the answer has left it."""
        done = len(generated)
        return self._guess[done : done + most] if self._guess[:done] == list(generated) else ()


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
        most: most tokens an answer may have.
        length: how many tokens must agree.
    """

    cost = 0.0

    def __init__(self, text: NDArray[np.int64], most: int, length: int) -> None:
        self.name = f"lookup {length}"
        self._length = length
        self._prompt = len(text)
        self._text: NDArray[np.int64] = np.empty(len(text) + most, dtype=np.int64)
        self._text[: len(text)] = text
        self._noted = 0

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
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
        return [int(token) for token in text[follows : follows + most]]


@dataclass
class Record:
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
        self.right = KEPT * self.right + accepted
        self.tried = KEPT * self.tried + accepted + mistaken

    def forget(self) -> None:
        """Moves toward what is assumed of a source nobody has tried."""
        fresh = Record()
        self.right += FORGOTTEN * (fresh.right - self.right)
        self.tried += FORGOTTEN * (fresh.tried - self.tried)


class DraftLengthPolicy:
    """How long drafts should be: as long as measured costs and each source's record make them pay.

    Args:
        costs: of calls on this machine.
    """

    def __init__(self, costs: CallCosts) -> None:
        self._costs = costs
        self._records: dict[str, Record] = {}

    def length(self, source: Source) -> int:
        """Tokens to ask this source for; 0 where no draft pays."""
        chance = self.record(source.name).acceptance
        best, best_gain = 0, LEAST_GAIN
        for count in SAMPLED[1:]:
            drafted = count - 1
            expected = 1 + sum(chance**place for place in range(1, drafted + 1))
            gain = expected / (self._costs.ratio(count) + drafted * source.cost / self._one())
            if gain > best_gain:
                best, best_gain = drafted, gain
        return best

    def record(self, name: str) -> Record:
        """The record of one source."""
        return self._records.setdefault(name, Record())

    def new_answer(self) -> None:
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

    def __init__(self, sources: Sequence[Source], policy: DraftLengthPolicy) -> None:
        self._sources = sources
        self._policy = policy
        self._asked = ""
        policy.new_answer()

    def draft(self, generated: Sequence[int], room: int) -> Sequence[int]:
        """The next draft.

        Args:
            generated: the answer so far.
            room: most tokens that are of any use.
        """
        for source in self._sources:
            most = min(self._policy.length(source), room)
            drafted = source.draft(generated, most) if most > 0 else ()
            if len(drafted):
                self._asked = source.name
                return drafted[:most]
        return ()

    def checked(self, accepted: int, *, mistaken: bool) -> None:
        """Takes in how the last draft fared.

        Args:
            accepted: how many of its tokens were right.
            mistaken: whether the one after them was wrong; else the answer ended there.
        """
        self._policy.record(self._asked).note(accepted, mistaken=mistaken)


class ModelDraft:
    """The smaller model's likeliest continuation, token by token, with a cache of its own.

    Args:
        runtime: the smaller model.
        prompt: of the answer, int64 [count]; only its end is read where it exceeds the smaller context.
        chunk: most tokens per call while reading.
        most: tokens the answer may have.
    """

    name = "model"

    def __init__(self, runtime: ModelRunner, prompt: NDArray[np.int64], *, chunk: int, most: int) -> None:
        room = runtime.model.context_length - most - 1
        self._prompt = prompt[-room:] if room > 0 else prompt[:0]
        self._runtime = runtime
        self._chunk = chunk
        self._forward = runtime.contexts.take(self._prompt) if room > 0 else None
        self.cost = runtime.costs.seconds(1)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """See `drafting.Source`. Nothing before the first token: it must not wait for a second reader."""
        if self._forward is None or not generated:
            return ()
        forward = self._forward
        known = np.concatenate([self._prompt, np.asarray(generated, dtype=np.int64)])
        start = min(forward.cached.common_prefix(known), len(known) - 1)
        forward.cached.truncate(start)
        for chunk in range(start, len(known), self._chunk):
            logits = forward.run(known[chunk : chunk + self._chunk])
        drafted = [int(logits[0].argmax())]
        while len(drafted) < most:
            logits = forward.run(np.array(drafted[-1:], dtype=np.int64))
            drafted.append(int(logits[0].argmax()))
        return drafted
