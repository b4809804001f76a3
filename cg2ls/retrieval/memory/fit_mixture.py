"""Fit the mixture by gradient descent on the bits per held-out token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.retrieval.memory.mixture import (
    GAPS,
    LEAST_LOG_PROBABILITY,
    LENGTHS,
    N_LENGTHS,
    SHAPES,
    Mixture,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 1024
EPOCHS = 20
STEP = 0.03
"""Of Adam (Kingma & Ba 2015, arXiv 1412.6980); it shrinks to nothing over the run."""

PULL = 2e-4
"""How strongly weights of neighbouring lengths are drawn together, since the rare ones see few examples."""


ORDER = 0.1
"""By how much the logarithm of a nearer source's weight is greater, at least."""


@dataclass(frozen=True)
class Examples:
    """Positions with their votes, padded to one width; padding has length 0.

    Attributes:
        tokens: what each vote is for, [n, votes].
        lengths: tokens in common, [n, votes].
        sources: where each vote comes from, [n, votes].
        logprobs: the model's log-probability of the tokens voted for, [n, votes].
        many: `Votes.crowd`'s first part at each vote's length, [n, votes].
        kinds: its second, the same, [n, votes].
        truth: the token that really came, [n].
        truth_logprob: the model's log-probability of it, [n].
        entropy: of the model's distribution in nats, [n].
        likeliest: the model's highest probability, [n].
        file: which file each position is from, [n].
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sources: NDArray[np.int64]
    logprobs: NDArray[np.float64]
    many: NDArray[np.float64]
    kinds: NDArray[np.float64]
    truth: NDArray[np.int64]
    truth_logprob: NDArray[np.float64]
    entropy: NDArray[np.float64]
    likeliest: NDArray[np.float64]
    file: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Examples:
        """Return some of the positions."""
        return Examples(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def flat_start() -> Mixture:
    """Return initial weights, which depend on the match length alone."""
    near = np.tile(np.linspace(-3, 3, N_LENGTHS), (3, 1))
    zeros = {name: np.zeros(shape) for name, shape in SHAPES.items() if name != "near"}
    return Mixture(near=near, **zeros)


def bits_per_token(mixture: Mixture | None, examples: Examples) -> NDArray[np.float64]:
    """Return the cost of each position in bits, [n]; None means the model alone."""
    if mixture is None:
        return np.asarray(-examples.truth_logprob / np.log(2))
    probability, *_ = _forward(mixture, examples)
    return np.asarray(-np.log2(probability))


def fit(examples: Examples, start: Mixture | None = None, *, epochs: int = EPOCHS, seed: int = 0) -> Mixture:
    """Find the mixture with the fewest bits per example.

    Args:
        examples: at least one.
        start: weights to begin with.
        epochs: rounds over the examples.
        seed: of the order they are taken in.
    """
    begun = start or flat_start()
    values = {name: getattr(begun, name).copy() for name in SHAPES}
    first = {name: np.zeros_like(value) for name, value in values.items()}
    second = {name: np.zeros_like(value) for name, value in values.items()}
    random = np.random.default_rng(seed)
    steps = epochs * -(-len(examples) // BATCH)
    done = 0
    for _ in range(epochs):
        order = random.permutation(len(examples))
        for low in range(0, len(examples), BATCH):
            gradient = _gradient(Mixture(**values), examples.take(order[low : low + BATCH]))
            done += 1
            rate = STEP * (1 - (done - 1) / steps)
            for name, slope in gradient.items():
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.01 * (slope**2 - second[name])
                mean, square = first[name] / (1 - 0.9**done), second[name] / (1 - 0.99**done)
                values[name] -= rate * mean / (np.sqrt(square) + 1e-8)
    return ordered(Mixture(**values))


def ordered(mixture: Mixture) -> Mixture:
    """Return the mixture with nearer sources heavier at each length, by at least ORDER.

    Where the examples say otherwise, which they do for lengths with few of them, the sources that are out of order
    get their mean (pool adjacent violators, Ayer et al. 1955).
    """
    steps = ORDER * np.arange(len(mixture.near))[:, None]
    return replace(mixture, near=np.apply_along_axis(_falling, 0, mixture.near + steps) - steps)


def _falling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the nearest non-increasing numbers by least squares."""
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            (one, many), (other, more) = pools.pop(), pools.pop()
            pools.append(((one * many + other * more) / (many + more), many + more))
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])


def _forward(
    mixture: Mixture, examples: Examples
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the truth's probability [n], the votes' weights [n, votes], the model's [n] and their sum [n]."""
    lengths, gaps, agreement, longest = _terms(examples)
    weights = np.exp(
        mixture.near[examples.sources, lengths]
        + mixture.gap[gaps]
        + mixture.agree[lengths] * agreement
        - mixture.many * examples.many
        - mixture.spread[lengths] * examples.kinds
    ) * (examples.lengths > 0)
    features = _features(examples)
    own = np.exp(features @ mixture.model + mixture.match[longest])
    total = own + weights.sum(axis=1)
    right = examples.tokens == examples.truth[:, None]
    mass = own * np.exp(examples.truth_logprob) + (weights * right).sum(axis=1)
    return np.maximum(mass / total, 1e-12), weights, own, total


def _gradient(mixture: Mixture, examples: Examples) -> dict[str, NDArray[np.float64]]:
    """Return the gradient of the mean cost in nats and of the smoothness penalty."""
    probability, weights, own, total = _forward(mixture, examples)
    lengths, gaps, agreement, longest = _terms(examples)
    right = examples.tokens == examples.truth[:, None]
    scale = 1 / (len(examples) * total)
    votes = weights * (1 - right / probability[:, None]) * scale[:, None]
    model = own * (1 - np.exp(examples.truth_logprob) / probability) * scale
    near = np.zeros(SHAPES["near"])
    np.add.at(near, (examples.sources, lengths), votes)
    return {
        "near": near + _pull(mixture.near),
        "gap": np.bincount(gaps.ravel(), votes.ravel(), GAPS) + _pull(mixture.gap),
        "agree": np.bincount(lengths.ravel(), (votes * agreement).ravel(), N_LENGTHS) + _pull(mixture.agree),
        "many": np.array([-(votes * examples.many).sum()]),
        "spread": np.bincount(lengths.ravel(), -(votes * examples.kinds).ravel(), N_LENGTHS)
        + _pull(mixture.spread),
        "model": _features(examples).T @ model,
        "match": np.bincount(longest, model, N_LENGTHS) + _pull(mixture.match),
    }


def _terms(
    examples: Examples,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    longest = examples.lengths.max(axis=1)
    gaps = np.minimum(longest[:, None] - examples.lengths, GAPS - 1)
    agreement = np.maximum(examples.logprobs, LEAST_LOG_PROBABILITY) + 4
    return LENGTHS[examples.lengths], gaps, agreement, LENGTHS[longest]


def _features(examples: Examples) -> NDArray[np.float64]:
    return np.stack([np.ones(len(examples)), examples.entropy, examples.likeliest], axis=1)


def _pull(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gradient of the squared differences between neighbouring classes."""
    steps = np.diff(values, axis=-1)
    slope = np.zeros_like(values)
    slope[..., :-1] -= steps
    slope[..., 1:] += steps
    return PULL * slope
