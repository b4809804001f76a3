"""What is measured of two models' logits for the same tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32

LARGEST_EXPONENT = 700.0
"""Nats; of what is larger, exp is no float."""


@dataclass
class Measures:
    """Per token: KL divergence in nats, agreement on the likeliest token, losses of both in nats.

    Attributes:
        kl: D(reference || model), as llama.cpp's perplexity tool reports it.
        agrees: whether both find the same token likeliest.
        reference_loss: -log p(next token) under the reference.
        loss: under the model.
    """

    kl: list[Float32] = field(default_factory=list)
    agrees: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    reference_loss: list[Float32] = field(default_factory=list)
    loss: list[Float32] = field(default_factory=list)

    def add(self, reference: Float32, logits: Float32, following: npt.NDArray[np.int64]) -> None:
        """Takes logits [tokens, vocabulary] of both, and the tokens that followed."""
        expected, found = log_softmax(reference), log_softmax(logits)
        self.kl.append(np.einsum("tv,tv->t", np.exp(expected), expected - found))
        self.agrees.append(reference.argmax(axis=1) == logits.argmax(axis=1))
        index = following[:, None]
        self.reference_loss.append(-np.take_along_axis(expected, index, 1)[:, 0])
        self.loss.append(-np.take_along_axis(found, index, 1)[:, 0])

    def values(self, name: str) -> Float32:
        """All tokens' values of one attribute."""
        return np.concatenate(getattr(self, name)).astype(np.float32)

    @property
    def kl_mean(self) -> float:
        """Nats."""
        return float(self.values("kl").mean(dtype=np.float64))

    @property
    def kl_p99(self) -> float:
        """99th percentile, nats."""
        return float(np.quantile(self.values("kl"), 0.99))

    @property
    def top1_agreement(self) -> float:
        """Share of tokens."""
        return float(self.values("agrees").mean(dtype=np.float64))

    @property
    def perplexity_ratio(self) -> float:
        """The model's perplexity over the reference's."""
        difference = self.values("loss").astype(np.float64) - self.values("reference_loss")
        return float(np.exp(min(difference.mean(), LARGEST_EXPONENT)))

    @property
    def tokens(self) -> int:
        """How many were compared."""
        return sum(map(len, self.kl))

    def standard_error(self, name: str) -> float:
        """Of the mean of one attribute, tokens taken as independent."""
        values = self.values(name)
        return float(values.std() / np.sqrt(len(values)))


def log_softmax(logits: Float32) -> Float32:
    """Log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)
