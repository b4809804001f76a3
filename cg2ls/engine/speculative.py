"""Speculative decoding: cheap sources draft tokens, and one call of the model checks several of them.

One call of the graph reads the last token and the draft, and gives the logits after each. The answer's tokens are
chosen from these logits exactly as they would be one by one; the draft only decides how many tokens the call gives
(Leviathan et al. 2023, arXiv 2211.17192, with the choice itself as the check, so sampled answers are the same too).
A draft never changes an answer where `independent_rows` holds.
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
"""Minimum expected speed-up of a draft, in tokens per second against no draft."""


RECORD_DECAY = 0.85
"""Weight of a source's earlier record when a draft is added."""

ANSWER_DECAY = 0.1
"""Share by which a source's record returns to the default with each new answer."""


class DraftSource(Protocol):
    """A source of drafts.

    Attributes:
        name: key of its acceptance record.
        cost: seconds per drafted token, in addition to the check by the model.
    """

    name: str
    cost: float

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Propose the next tokens, at most `max_tokens` and possibly none."""


class DraftHint:
    """The answer that the request expects (`Request.draft_hint`), while the generated tokens agree with it."""

    name, cost = "hint", 0.0

    def __init__(self, hint: Sequence[int]) -> None:
        self._hint = list(hint)

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Return the next expected tokens; none after the answer differed."""
        done = len(generated)
        return self._hint[done : done + max_tokens] if self._hint[:done] == list(generated) else ()


class PriorDraft:
    """Drafts of the request's prior."""

    name, cost = "prior", 0.0

    def __init__(self, prior: Prior) -> None:
        self.draft = prior.draft


class NgramProposer:
    """Drafts by n-gram: the tokens that followed an earlier occurrence of the last few tokens.

    Code repeats its names and phrases (prompt lookup, Saxena 2023). The last earlier occurrence in the hint, the
    prompt or the answer is taken.

    Args:
        text: tokens to search, int64 [count]; the answer follows them.
        max_tokens: maximum length of an answer.
        length: number of tokens that must match.
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
        """Return the tokens that followed the last occurrence."""
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
    """Acceptance of a source's drafts, each counted up to its first mistake.

    Attributes:
        right: drafted tokens that were accepted.
        tried: accepted tokens and mistakes. Both numbers decay, so a source is tried again later.
    """

    right: float = 3.0
    tried: float = 5.0

    @property
    def acceptance(self) -> float:
        """Estimated probability that the next drafted token is accepted."""
        return self.right / self.tried

    def note(self, accepted: int, *, mistaken: bool) -> None:
        """Add one checked draft."""
        self.right = RECORD_DECAY * self.right + accepted
        self.tried = RECORD_DECAY * self.tried + accepted + mistaken

    def forget(self) -> None:
        """Move towards the record of a source that was never tried."""
        fresh = AcceptanceRecord()
        self.right += ANSWER_DECAY * (fresh.right - self.right)
        self.tried += ANSWER_DECAY * (fresh.tried - self.tried)


class DraftLengthPolicy:
    """Length of drafts, chosen by measured call costs and each source's acceptance record.

    Args:
        costs: costs of calls on this machine.
    """

    def __init__(self, costs: CallCosts) -> None:
        self._costs = costs
        self._records: dict[str, AcceptanceRecord] = {}

    def choose_length(self, source: DraftSource) -> int:
        """Choose how many tokens this source should draft; 0 where no draft is worth its cost."""
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
        """Return the record of one source."""
        return self._records.setdefault(name, AcceptanceRecord())

    def decay_records(self) -> None:
        """Move every record towards the default; called once per answer."""
        for record in self._records.values():
            record.forget()

    def _one(self) -> float:
        return self._costs.seconds(1) or 1.0


class Drafter:
    """Drafts of one answer, from the first of its sources that has any.

    Args:
        sources: sources, the most reliable first.
        policy: decides the length of drafts.
    """

    def __init__(self, sources: Sequence[DraftSource], policy: DraftLengthPolicy) -> None:
        self._sources = sources
        self._policy = policy
        self._last_source = ""
        policy.decay_records()

    def draft(self, generated: Sequence[int], room: int) -> Sequence[int]:
        """Return the next draft.

        Args:
            generated: the answer so far.
            room: maximum tokens that the answer can use.
        """
        for source in self._sources:
            max_tokens = min(self._policy.choose_length(source), room)
            drafted = source.draft(generated, max_tokens) if max_tokens > 0 else ()
            if len(drafted):
                self._last_source = source.name
                return drafted[:max_tokens]
        return ()

    def note_checked(self, accepted: int, *, mistaken: bool) -> None:
        """Record the result of the last draft.

        Args:
            accepted: number of its tokens that were accepted.
            mistaken: whether the token after them was wrong; otherwise the answer or the draft ended there.
        """
        self._policy.record(self._last_source).note(accepted, mistaken=mistaken)


class ModelDraft:
    """Drafts of a smaller model: its likeliest continuation, token by token, with its own cache.

    Args:
        runner: the smaller model.
        prompt: prompt of the answer, int64 [count]; only its end is read where it exceeds the smaller context.
        chunk: maximum tokens per call while reading.
        max_tokens: maximum length of the answer.
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
        """Propose the next tokens; none before the first token, which must not wait for a second prefill."""
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
