"""Choose the next token of an answer: token healing, prior, sampling, stop tokens."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.request import Request, RequestError, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cg2ls.models.codegen2.special_tokens import SpecialTokens


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens of a model, as the sampler needs them.

    Attributes:
        model: name of the model, for messages.
        token_bytes: bytes of every token by id.
        index: the same bytes, sorted.
        special: ids of the special tokens.
    """

    model: str
    token_bytes: Sequence[bytes]
    index: ByteIndex
    special: SpecialTokens


class TokenSampler:
    """Sampler of one answer; it chooses one token after the other.

    Args:
        vocabulary: tokens of the model.
        request: options of the choice.
        seed: seed of the random numbers; None for the request's seed.

    Attributes:
        generated: tokens chosen so far, without a stop token.
    """

    def __init__(self, vocabulary: Vocabulary, request: Request, seed: int | None = None) -> None:
        self.generated: list[int] = []
        self._vocabulary = vocabulary
        self._prior = request.prior
        self._log_softmax = LogSoftmax(vocabulary.special.vocab_size)
        self._ignore_stop_tokens = request.ignore_stop_tokens
        self._sampler = LogitSampler(
            request.temperature, request.top_p, request.seed if seed is None else seed
        )
        self._forced = ForcedStart(vocabulary.index, request.forced)

    @property
    def is_healing(self) -> bool:
        """Whether the answer must still begin with some bytes."""
        return self._forced.is_open

    def choose(self, logits: NDArray[np.float32]) -> Step | None:
        """Choose the next token; return None where the answer ends.

        Args:
            logits: logits after the tokens generated so far, float32 [vocab].

        Raises:
            RequestError: no token has the forced bytes, or the logits are not finite.
        """
        name = self._vocabulary.model
        scores = logits if self._prior is None else self._prior.mix(self.generated, logits)
        allowed = self._forced.allowed_tokens()
        if allowed is not None and not len(allowed):
            raise RequestError(f"{name} has no token for the bytes the answer must begin with.")
        token = self._sampler.pick(scores, allowed)
        logprob = self._log_softmax.at(logits, token) if self._prior is None else float(scores[token])
        if not math.isfinite(logprob):
            raise RequestError(f"{name} computes no finite numbers; convert the model again.")
        if self._vocabulary.special.is_stop(token) and not self._ignore_stop_tokens:
            return None
        data = self._vocabulary.token_bytes[token]
        self._forced.consume(data)
        self.generated.append(token)
        return Step(token, data, logprob)


class LogSoftmax:
    """Log-probability of single tokens, with a reused buffer.

    Args:
        vocab_size: length of the logits.
    """

    def __init__(self, vocab_size: int) -> None:
        self._scratch: NDArray[np.float32] = np.empty(vocab_size, dtype=np.float32)

    def at(self, logits: NDArray[np.float32], token: int) -> float:
        """Return the log-softmax of the logits at `token`, in nats, by log-sum-exp; NaN for NaN logits."""
        return self.at_all(logits, (token,))[0]

    def at_all(self, logits: NDArray[np.float32], tokens: Iterable[int]) -> list[float]:
        """Return the log-softmax of the logits at several tokens; see `at`."""
        peak = logits.max()
        np.subtract(logits, peak, out=self._scratch)
        chosen = [float(self._scratch[token]) for token in tokens]
        np.exp(self._scratch, out=self._scratch)
        total = float(self._scratch.sum())
        log_total = math.log(total) if total > 0 else math.nan
        return [each - log_total for each in chosen]


class LogitSampler:
    """Choice of a token by logits: the likeliest at temperature 0, else a random one from the nucleus.

    Args:
        temperature: 0, or the divisor of the logits.
        top_p: mass of the nucleus, the smallest set of likeliest tokens whose probabilities sum to at least this
            value (Holtzman et al. 2020, arXiv 1904.09751).
        seed: seed of the random numbers.
    """

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._random = np.random.default_rng(seed)

    def pick(self, logits: NDArray[np.float32], allowed: NDArray[np.int64] | None = None) -> int:
        """Pick one token.

        Args:
            logits: float32 [vocab].
            allowed: ids to choose from, at least one; None for all.
        """
        candidates = logits if allowed is None else logits[allowed]
        position = self._greedy(candidates) if self._temperature == 0 else self._draw(candidates)
        return position if allowed is None else int(allowed[position])

    @staticmethod
    def _greedy(candidates: NDArray[np.float32]) -> int:
        return int(candidates.argmax())

    def _draw(self, candidates: NDArray[np.float32]) -> int:
        weights = candidates - candidates.max()
        weights /= np.float32(self._temperature)
        np.exp(weights, out=weights)
        if self._top_p == 1:
            return self._from(weights)
        nucleus = _nucleus(weights, self._top_p)
        return int(nucleus[self._from(weights[nucleus])])

    def _from(self, weights: NDArray[np.float32]) -> int:
        cumulative = weights.cumsum(dtype=np.float64)
        drawn = self._random.random() * cumulative[-1]
        return min(int(np.searchsorted(cumulative, drawn, side="right")), len(weights) - 1)


def _nucleus(weights: NDArray[np.float32], mass: float) -> NDArray[np.intp]:
    """Return the positions of the fewest largest weights that sum to at least this share of the total.

    Weights below (1 - mass) / n of the total are left out before sorting: together they are less than 1 - mass, so
    the nucleus is complete without them. Only values are sorted, which is several times faster than sorting
    positions.
    """
    total = float(weights.sum(dtype=np.float64))
    likely = weights[weights >= (1 - mass) / len(weights) * total]
    descending = np.sort(likely)[::-1]
    size = min(int(np.searchsorted(descending.cumsum(dtype=np.float64), mass * total)) + 1, len(likely))
    least = descending[size - 1]
    above = np.flatnonzero(weights > least)
    ties = np.flatnonzero(weights == least)[: size - len(above)]
    return np.concatenate([above, ties])


def pick_best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the highest scores, the highest first; of equal ones the lowest position comes first.

    Args:
        scores: float32 [n], without NaN.
        count: number of positions, at least 1; there may be fewer.
    """
    if count == 1:
        return np.array([scores.argmax()], dtype=np.int64)
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        places = np.flatnonzero(scores >= least)
    else:
        places = np.arange(len(scores))
    order = np.argsort(-scores[places], kind="stable")
    return np.asarray(places[order][:count], dtype=np.int64)


class ByteIndex:
    """Vocabulary sorted by bytes, without the tokens that have no bytes (special and unused ones).

    Args:
        token_bytes: bytes of every token by id.
    """

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        ordered = sorted(
            (token for token, data in enumerate(token_bytes) if data), key=token_bytes.__getitem__
        )
        self._bytes = [token_bytes[token] for token in ordered]
        self._tokens: NDArray[np.int64] = np.array(ordered, dtype=np.int64)
        self._longest = max(map(len, self._bytes), default=0)

    def tokens_starting_with(self, start: bytes) -> NDArray[np.int64]:
        """Return the tokens whose bytes start with `start`."""
        low = bisect_left(self._bytes, start)
        end = _successor(start)
        high = len(self._bytes) if end is None else bisect_left(self._bytes, end, lo=low)
        return self._tokens[low:high]

    def tokens_agreeing_with(self, forced: bytes) -> NDArray[np.int64]:
        """Return the tokens that start with `forced`, and those that `forced` starts with."""
        parts = [self.tokens_starting_with(forced)]
        for length in range(1, min(len(forced), self._longest + 1)):
            low = bisect_left(self._bytes, forced[:length])
            high = bisect_left(self._bytes, forced[:length] + b"\0", lo=low)
            if high > low:
                parts.append(self._tokens[low:high])
        return np.concatenate(parts)


class ForcedStart:
    """Bytes that an answer still has to begin with (token healing), by any tokens that spell them.

    A prompt that ends inside a word ends in a token that the model never saw there. So the prompt is shortened to an
    earlier token boundary, and the answer must begin with the removed bytes: each step may only choose tokens that
    agree with the bytes that are still open.
    """

    def __init__(self, index: ByteIndex, forced: bytes) -> None:
        self._index = index
        self._open = forced

    @property
    def is_open(self) -> bool:
        """Whether there are such bytes."""
        return bool(self._open)

    def allowed_tokens(self) -> NDArray[np.int64] | None:
        """Return the ids that may come next, possibly none; None where every token may."""
        return self._index.tokens_agreeing_with(self._open) if self._open else None

    def consume(self, data: bytes) -> None:
        """Remove the bytes of the token that was chosen."""
        self._open = self._open[len(data) :]

    def after(self, data: bytes) -> ForcedStart:
        """Return what is open after a token with these bytes; this object stays as it is."""
        return ForcedStart(self._index, self._open[len(data) :])


def _successor(start: bytes) -> bytes | None:
    """Return the smallest byte string above all that start with `start`; None if there is none."""
    stripped = start.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
