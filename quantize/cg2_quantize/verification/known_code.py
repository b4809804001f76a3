"""Checks of weights by their loss on known code: whether they were trained, and their number of qkv groups.

Integers that are read as values, a lost scale or a permuted axis show only in the loss, not in shapes and names. The
first bound is a table of token frequencies, the unigram distribution of the same text, which ignores context. The loss
of trained weights is much lower; weights with a higher one cannot complete code. The second bound is the checkpoint's
own claim, the bits per byte that cg2ls.json states for Python. Random weights are refused too, since they look like
damaged ones: they need --untrained, or "untrained": true in cg2ls.json.

Shapes do not reveal the number of groups either (docs/reference/quantize.md, Groups). A wrong number mixes queries,
keys and values, which costs a trained model most of its knowledge, so the loss shows which number is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.comparison import compute_losses
from cg2_quantize.verification.heldout import TRAINED_SHARE, compute_unigram_table, make_heldout_rows
from cg2_quantize.verification.reference import SharedWeights, build_reference_network
from cg2ls.models.codegen2.config import CODEGEN2
from cg2ls.models.codegen2.files import read_json
from cg2ls.models.folder.description import Language
from cg2ls.models.folder.facts import FACTS, Facts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

SENSE_TOKENS = 256
"""Tokens of known code to read, unless losses that were measured already suffice."""

SENSE_SIGMAS = 4.0
"""Standard errors by which losses measured already must pass to suffice."""

CLAIMED = "python"
"""The language of the held-out set, whose stated loss is compared."""

CLAIM_FACTOR = 2.0
"""Factor by which the short text read here may exceed the claimed bits per byte."""

UNTRAINED_KEY = "untrained"


def is_declared_untrained(folder: Path) -> bool:
    """Return whether a checkpoint's own cg2ls.json says that its weights were never trained."""
    return (folder / FACTS).is_file() and read_json(folder / FACTS).get(UNTRAINED_KEY) is True


def check_known_code(checkpoint: Checkpoint, tokenizer: CodeTokenizer, known: Float32 | None = None) -> None:
    """Refuse weights whose loss on known code is near the table's, or far above their own claim.

    Args:
        checkpoint: opened with the right number of groups.
        tokenizer: the checkpoint's.
        known: losses of the first tokens of the held-out set, if they were measured already.

    Raises:
        QuantizeError: see above.
    """
    row = make_heldout_rows(tokenizer, checkpoint.config.n_positions, 1)[0]
    table = compute_unigram_table(tokenizer)
    claim = Facts.read(checkpoint.folder).languages.get(CLAIMED, Language()).bits_per_byte
    if known is not None and claim is None:
        gain = TRAINED_SHARE * table[row[1 : len(known) + 1]] - known
        if gain.mean() > SENSE_SIGMAS * gain.std() / np.sqrt(len(gain)):
            return
    row = row[:SENSE_TOKENS]
    found = compute_losses(checkpoint.config, [build_reference_network(checkpoint)], [row])[0]
    by_table = float(table[row[1:]].mean())
    if not found.mean() < TRAINED_SHARE * by_table:
        raise QuantizeError(
            f"{checkpoint.folder} reads known code hardly better than a table of token frequencies does"
            f" ({found.mean():.2f} nats per token, the table {by_table:.2f}, trained weights at most"
            f" {TRAINED_SHARE * by_table:.2f}): the weights were not trained, or are not what config.json and the"
            " tensors' names state; if that is intended, pass --untrained."
        )
    bits = float(found.sum()) / math.log(2) / sum(len(tokenizer.token_bytes[token]) for token in row[1:])
    if claim is not None and not bits < CLAIM_FACTOR * claim:
        raise QuantizeError(
            f"{checkpoint.folder} needs {bits:.2f} bits per byte of known Python, but its {FACTS} states {claim:.2f}:"
            " the weights are not those that were measured, or are read wrongly; if that is intended, pass --untrained."
        )


PROBE_TOKENS = (64, 256)
"""Tokens of the first probe, and of the second, which follows if the first is inconclusive.

On the shipped model, 64 tokens reveal a wrong number by 8 to 12 standard errors, in every row of the held-out set."""

PUBLISHED = (4, 8)
"""Numbers of groups in the published models."""

RANDOM_MARGIN = 0.5
"""Minimum distance of a loss below ln(vocabulary), in nats, to be conclusive."""

GROUP_SIGMAS, MIN_LOSS_GAP = 4.0, 0.02
"""Standard errors, and nats per token, by which one number must beat every other."""


@dataclass(frozen=True)
class GroupProbe:
    """Mean loss by number of groups, nats per token.

    Attributes:
        losses: mean losses by number.
        right: the number with the least loss; None if the losses are inconclusive.
        by_token: losses of the held-out set's first tokens, by number.
    """

    losses: dict[int, float]
    right: int | None
    by_token: dict[int, Float32] = field(default_factory=dict)

    def __str__(self) -> str:
        losses = ", ".join(f"{loss:.2f} with {groups}" for groups, loss in self.losses.items())
        return f"nats per token of known code: {losses} groups"


def probe_qkv_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> GroupProbe:
    """Measure the loss with the checkpoint's number of groups and with the published numbers that divide its heads."""
    config = checkpoint.config
    numbers = [
        config.qkv_groups,
        *(n for n in PUBLISHED if n != config.qkv_groups and config.n_head % n == 0),
    ]
    if len(numbers) == 1 or config.family != CODEGEN2:
        return GroupProbe({}, None)
    row = make_heldout_rows(tokenizer, config.n_positions, 1)[0]
    chance = math.log(config.vocab_size) - RANDOM_MARGIN
    for tokens in PROBE_TOKENS:
        found = _losses_by_groups(checkpoint, numbers, row[:tokens])
        means = {number: float(values.mean()) for number, values in found.items()}
        best = min(means, key=lambda number: means[number])
        if means[best] >= chance:
            break
        if all(_beats(found[best], values) for number, values in found.items() if number != best):
            return GroupProbe(means, best, found)
    return GroupProbe(means, None, found)


def _losses_by_groups(
    checkpoint: Checkpoint, numbers: list[int], row: npt.NDArray[np.int64]
) -> dict[int, Float32]:
    """Compute losses of all next tokens by number of groups; weights independent of it are read once."""
    shared, config = SharedWeights(), checkpoint.config
    readings = [replace(checkpoint, config=replace(config, qkv_groups=number)) for number in numbers]
    networks = [build_reference_network(reading, shared) for reading in readings]
    return dict(zip(numbers, compute_losses(config, networks, [row]), strict=True))


def _beats(best: Float32, other: Float32) -> bool:
    difference = other - best
    error = float(difference.std() / np.sqrt(len(difference)))
    return float(difference.mean()) > max(MIN_LOSS_GAP, GROUP_SIGMAS * error)


def check_qkv_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer, *, stated: bool) -> Float32 | None:
    """Refuse a number of groups that the weights contradict, or that is neither stated nor confirmed by them.

    Args:
        checkpoint: opened with the number to use.
        tokenizer: the checkpoint's.
        stated: whether --qkv-groups or config.json's own key states the number.

    Returns:
        Losses of the held-out set's first tokens with that number; None if none were measured.

    Raises:
        QuantizeError: see above.
    """
    probe, used = probe_qkv_groups(checkpoint, tokenizer), checkpoint.config.qkv_groups
    if probe.right is not None and probe.right != used:
        raise QuantizeError(
            f"{checkpoint.folder} is not laid out in {used} qkv groups ({probe}); pass --qkv-groups {probe.right}."
        )
    if probe.losses and probe.right is None and not stated:
        raise QuantizeError(
            f"The weights of {checkpoint.folder} do not reveal the number of qkv groups: inconclusive ({probe});"
            " give it with --qkv-groups (8 for the published 1B and 3.7B, 4 for 7B and 16B)."
        )
    return probe.by_token.get(used)
