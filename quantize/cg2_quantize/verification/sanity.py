"""Whether weights know what they should of code: their loss on known code, against two bounds.

No shape and no name tells a checkpoint that is read wrongly (integers taken for values, a lost scale, a permuted
axis) from a right one, but what it has learned does. The first bound is a table of how frequent tokens are, the
unigram distribution of the very text that is read, which knows nothing of context: weights that were trained need
much less than it, and weights that do not cannot complete code. The second is the checkpoint's own claim, the bits
per byte that cg2ls.json states for Python.

Random weights, to test or to time with, are refused too, since nothing tells them from damaged ones. Whoever means
them says so, by --untrained or by "untrained": true in cg2ls.json.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.heldout import TRAINED_SHARE, heldout_rows, unigram_table
from cg2_quantize.verification.reference import reference_network
from cg2_quantize.verification.stream import losses
from cg2ls.models.codegen2.files import read_json
from cg2ls.models.folder.description import Language
from cg2ls.models.folder.facts import FACTS, Facts

if TYPE_CHECKING:
    from pathlib import Path

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

TOKENS = 256
"""Of known code; losses of fewer that are at hand are taken first."""

SIGMAS = 4.0
"""Standard errors by which losses at hand must pass to be enough."""

CLAIMED = "python"
"""The language of the held-out set, whose stated loss can be compared."""

CLAIM_FACTOR = 2.0
"""By which a short text may need more bits per byte than the text that the claim was measured on."""

UNTRAINED_KEY = "untrained"


def declared_untrained(folder: Path) -> bool:
    """Whether a checkpoint's own cg2ls.json says that its weights were never trained."""
    return (folder / FACTS).is_file() and read_json(folder / FACTS).get(UNTRAINED_KEY) is True


def check_sense(checkpoint: Checkpoint, tokenizer: CodeTokenizer, known: Float32 | None = None) -> None:
    """Refuses weights that read known code hardly better than the table does, or far worse than they claim.

    Args:
        checkpoint: with its number of groups settled.
        tokenizer: its own.
        known: losses of the first tokens of the held-out set, where they were measured already.

    Raises:
        QuantizeError: see above.
    """
    row, table = heldout_rows(tokenizer, checkpoint.config.n_positions, 1)[0], unigram_table(tokenizer)
    claim = Facts.read(checkpoint.folder).languages.get(CLAIMED, Language()).bits_per_byte
    if known is not None and claim is None:
        gain = TRAINED_SHARE * table[row[1 : len(known) + 1]] - known
        if gain.mean() > SIGMAS * gain.std() / np.sqrt(len(gain)):
            return
    row = row[:TOKENS]
    found = losses(checkpoint.config, [reference_network(checkpoint)], [row])[0]
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
