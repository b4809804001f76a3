"""Whether the fused attention weights are read with the right number of groups: a loss probe on known code.

Shapes do not tell (docs/reference/quantize.md, Groups).
A wrong number mixes queries, keys and values, which costs a trained
model most of what it knows; so its loss says which number is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.heldout import heldout_rows
from cg2_quantize.verification.reference import Shared, reference_network
from cg2_quantize.verification.stream import losses
from cg2ls.models.codegen2.config import CODEGEN2

if TYPE_CHECKING:
    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

TOKENS = (64, 256)
"""Of the probe, and of the one that follows where the first is not sure; on the shipped model 64 tell a wrong number
by 8 to 12 standard errors, whichever row of the held-out set they are from."""

PUBLISHED = (4, 8)
"""Groups of the published models, each other's alternative."""

RANDOM_MARGIN = 0.5
"""Nats below ln(vocabulary) under which weights tell nothing."""

SIGMAS, LEAST = 4.0, 0.02
"""Standard errors, and nats per token, by which one number must beat another to be believed."""


@dataclass(frozen=True)
class Probe:
    """Mean loss by number of groups, nats per token.

    Attributes:
        losses: by number.
        right: the number the losses speak for; None where they do not tell.
        by_token: what the means are of, by number; the tokens are the held-out set's first.
    """

    losses: dict[int, float]
    right: int | None
    by_token: dict[int, Float32] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{loss:.2f} with {groups}" for groups, loss in self.losses.items())
        return f"nats per token of known code: {told} groups"


def probe_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> Probe:
    """Losses with the checkpoint's number of groups and with the published ones that its heads divide by."""
    config = checkpoint.config
    numbers = [
        config.qkv_groups,
        *(n for n in PUBLISHED if n != config.qkv_groups and config.n_head % n == 0),
    ]
    if len(numbers) == 1 or config.family != CODEGEN2:
        return Probe({}, None)
    row = heldout_rows(tokenizer, config.n_positions, 1)[0]
    chance = math.log(config.vocab_size) - RANDOM_MARGIN
    for tokens in TOKENS:
        found = _losses(checkpoint, numbers, row[:tokens])
        means = {number: float(values.mean()) for number, values in found.items()}
        best = min(means, key=lambda number: means[number])
        if means[best] >= chance:
            break
        if all(_beats(found[best], values) for number, values in found.items() if number != best):
            return Probe(means, best, found)
    return Probe(means, None, found)


def _losses(checkpoint: Checkpoint, numbers: list[int], row: npt.NDArray[np.int64]) -> dict[int, Float32]:
    """Of every next token by number of groups; what does not depend on the number is read once."""
    shared, config = Shared(), checkpoint.config
    readings = [replace(checkpoint, config=replace(config, qkv_groups=number)) for number in numbers]
    networks = [reference_network(reading, shared) for reading in readings]
    return dict(zip(numbers, losses(config, networks, [row]), strict=True))


def _beats(best: Float32, other: Float32) -> bool:
    difference = other - best
    error = float(difference.std() / np.sqrt(len(difference)))
    return float(difference.mean()) > max(LEAST, SIGMAS * error)


def check_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer, *, stated: bool) -> Float32 | None:
    """Refuses a number of groups that the weights contradict, and one that nobody stated and no weights confirm.

    Args:
        checkpoint: opened with the number that would be used.
        tokenizer: its own.
        stated: whether --qkv-groups or config.json's own key named the number.

    Returns:
        Losses of the held-out set's first tokens with the number that is used; None where none were measured.

    Raises:
        QuantizeError: see above.
    """
    probe, used = probe_groups(checkpoint, tokenizer), checkpoint.config.qkv_groups
    if probe.right is not None and probe.right != used:
        raise QuantizeError(
            f"{checkpoint.folder} is not laid out in {used} qkv groups ({probe}); pass --qkv-groups {probe.right}."
        )
    if probe.losses and probe.right is None and not stated:
        raise QuantizeError(
            f"The number of qkv groups of {checkpoint.folder} cannot be told from its weights: inconclusive ({probe});"
            " name it with --qkv-groups (8 for the published 1B and 3.7B, 4 for 7B and 16B)."
        )
    return probe.by_token.get(used)
