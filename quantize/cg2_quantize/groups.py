"""Whether the fused attention weights are read with the right number of groups: a loss probe on known code.

Shapes do not tell (docs/quantize.md, Groups). A wrong number mixes queries, keys and values, which costs a trained
model most of what it knows; so its loss says which number is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.proof.heldout import heldout_rows
from cg2_quantize.proof.reference import reference_network
from cg2_quantize.proof.stream import losses

if TYPE_CHECKING:
    from cg2ls.codegen2 import Checkpoint, CodeTokenizer

TOKENS = 256
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
    """

    losses: dict[int, float]
    right: int | None

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
    if len(numbers) == 1:
        return Probe({}, None)
    rows = [row[:TOKENS] for row in heldout_rows(tokenizer, config.n_positions, 1)]
    found = {}
    for number in numbers:
        other = replace(checkpoint, config=replace(config, qkv_groups=number))
        found[number] = losses(other.config, reference_network(other), rows)
    means = {number: float(values.mean()) for number, values in found.items()}
    best = min(means, key=lambda number: means[number])
    told = means[best] < math.log(config.vocab_size) - RANDOM_MARGIN
    for number, values in found.items():
        if number != best:
            difference = values - found[best]
            error = float(difference.std() / np.sqrt(len(difference)))
            told = told and float(difference.mean()) > max(LEAST, SIGMAS * error)
    return Probe(means, best if told else None)


def check_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer, *, stated: bool) -> None:
    """Refuses a number of groups that the weights contradict, and one that nobody stated and no weights confirm.

    Args:
        checkpoint: opened with the number that would be used.
        tokenizer: its own.
        stated: whether --qkv-groups or config.json's own key named the number.

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
