"""Whether weights know anything of code: their loss on known code against a table of how frequent tokens are.

No shape and no name tells a checkpoint that is read wrongly (integers taken for values, a lost scale, a permuted
axis) from a right one, but what it has learned does. The table, the unigram distribution of the very text that is
read, knows nothing of context; every model that was trained at all beats it by nats, and weights that do not cannot
complete code. They may be meant all the same (random ones, to test or to time with): whoever means them says so,
by --untrained or by "untrained": true in cg2ls.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.proof.heldout import heldout_rows, unigram_table
from cg2_quantize.proof.reference import reference_network
from cg2_quantize.proof.stream import losses
from cg2ls.codegen2.files import read_json
from cg2ls.modelfolder.facts import FACTS

if TYPE_CHECKING:
    from pathlib import Path

    from cg2_quantize.rounding import Float32
    from cg2ls.codegen2 import Checkpoint, CodeTokenizer

TOKENS = 256
"""Of known code; losses of fewer that are at hand are taken first."""

SIGMAS = 4.0
"""Standard errors by which losses at hand must beat the table to be enough."""

UNTRAINED_KEY = "untrained"


def declared_untrained(folder: Path) -> bool:
    """Whether a checkpoint's own cg2ls.json says that its weights were never trained."""
    return (folder / FACTS).is_file() and read_json(folder / FACTS).get(UNTRAINED_KEY) is True


def check_sense(checkpoint: Checkpoint, tokenizer: CodeTokenizer, known: Float32 | None = None) -> None:
    """Refuses weights that read known code no better than the table does.

    Args:
        checkpoint: with its number of groups settled.
        tokenizer: its own.
        known: losses of the first tokens of the held-out set, where they were measured already.

    Raises:
        QuantizeError: see above.
    """
    row, table = heldout_rows(tokenizer, checkpoint.config.n_positions, 1)[0], unigram_table(tokenizer)
    if known is not None:
        gain = table[row[1 : len(known) + 1]] - known
        if gain.mean() > SIGMAS * gain.std() / np.sqrt(len(gain)):
            return
    row = row[:TOKENS]
    found = losses(checkpoint.config, [reference_network(checkpoint)], [row])[0]
    by_table = table[row[1:]]
    if found.mean() < by_table.mean():
        return
    raise QuantizeError(
        f"{checkpoint.folder} reads known code no better than a table of token frequencies does"
        f" ({found.mean():.2f} nats per token, the table {by_table.mean():.2f}): the weights were not trained, or are"
        " not what config.json and the tensors' names say; if that is meant, pass --untrained."
    )
