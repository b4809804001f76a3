"""What weights know of code that is known here: whether they make sense, and in how many groups they are laid out.

No shape and no name tells a checkpoint that is read wrongly (integers taken for values, a lost scale, a permuted
axis) from a right one, but what it has learned does. The first bound is a table of how frequent tokens are, the
unigram distribution of the very text that is read, which knows nothing of context: weights that were trained need
much less than it, and weights that do not cannot complete code. The second is the checkpoint's own claim, the bits
per byte that cg2ls.json states for Python. Random weights are refused too, since nothing tells them from damaged
ones: they need --untrained, or "untrained": true in cg2ls.json.

The number of groups shows in no shape either (docs/quantize.md, Groups). A wrong one mixes queries, keys and values,
which costs a trained model most of what it knows, so its loss says which number is right.
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
"""Of known code; losses of fewer that are at hand are taken first."""

SENSE_SIGMAS = 4.0
"""Standard errors by which losses at hand must pass to be enough."""

CLAIMED = "python"
"""The language of the held-out set, whose stated loss can be compared."""

CLAIM_FACTOR = 2.0
"""By which a short text may need more bits per byte than the text that the claim was measured on."""

UNTRAINED_KEY = "untrained"


def declared_untrained(folder: Path) -> bool:
    """Whether a checkpoint's own cg2ls.json says that its weights were never trained."""
    return (folder / FACTS).is_file() and read_json(folder / FACTS).get(UNTRAINED_KEY) is True


def check_known_code(checkpoint: Checkpoint, tokenizer: CodeTokenizer, known: Float32 | None = None) -> None:
    """Refuses weights that read known code hardly better than the table does, or far worse than they claim.

    Args:
        checkpoint: with its number of groups settled.
        tokenizer: its own.
        known: losses of the first tokens of the held-out set, where they were measured already.

    Raises:
        QuantizeError: see above.
    """
    row, table = (
        make_heldout_rows(tokenizer, checkpoint.config.n_positions, 1)[0],
        compute_unigram_table(tokenizer),
    )
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
            " tensors' names say; if that is meant, pass --untrained."
        )
    bits = float(found.sum()) / math.log(2) / sum(len(tokenizer.token_bytes[token]) for token in row[1:])
    if claim is not None and not bits < CLAIM_FACTOR * claim:
        raise QuantizeError(
            f"{checkpoint.folder} needs {bits:.2f} bits per byte of known Python, but its {FACTS} states {claim:.2f}:"
            " the weights are not those that were measured, or are read wrongly; if that is meant, pass --untrained."
        )


PROBE_TOKENS = (64, 256)
"""Of the probe, and of the one that follows where the first is not sure; on the shipped model 64 tell a wrong number
by 8 to 12 standard errors, whichever row of the held-out set they are from."""

PUBLISHED = (4, 8)
"""Groups of the published models, each other's alternative."""

RANDOM_MARGIN = 0.5
"""Nats below ln(vocabulary) under which weights tell nothing."""

GROUP_SIGMAS, MIN_LOSS_GAP = 4.0, 0.02
"""Standard errors, and nats per token, by which one number must beat another to be believed."""


@dataclass(frozen=True)
class GroupProbe:
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


def probe_qkv_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> GroupProbe:
    """Losses with the checkpoint's number of groups and with the published ones that its heads divide by."""
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
    """Of every next token by number of groups; what does not depend on the number is read once."""
    shared, config = SharedWeights(), checkpoint.config
    readings = [replace(checkpoint, config=replace(config, qkv_groups=number)) for number in numbers]
    networks = [build_reference_network(reading, shared) for reading in readings]
    return dict(zip(numbers, compute_losses(config, networks, [row]), strict=True))


def _beats(best: Float32, other: Float32) -> bool:
    difference = other - best
    error = float(difference.std() / np.sqrt(len(difference)))
    return float(difference.mean()) > max(MIN_LOSS_GAP, GROUP_SIGMAS * error)


def check_qkv_groups(checkpoint: Checkpoint, tokenizer: CodeTokenizer, *, stated: bool) -> Float32 | None:
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
    probe, used = probe_qkv_groups(checkpoint, tokenizer), checkpoint.config.qkv_groups
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
