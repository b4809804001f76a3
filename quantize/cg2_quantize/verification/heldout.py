"""Held-out code that models are compared on: no model of this project was trained on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    import numpy.typing as npt

    from cg2ls.models.codegen2 import CodeTokenizer

MEASURED_TOKENS = 20_000
"""Tokens that full measurements use; the rest of the file is for calibration."""

ROW_TOKENS = 512
"""Maximum tokens of a row, which is read as one document."""

TRAINED_SHARE = 0.7
"""Share of the loss of `compute_unigram_table` that trained weights stay below.

The shipped model is at 0.3; with its matrices as int8 without their scales it is at 0.76."""

FILE = "heldout.jsonl"
PLACES = (Path(__file__).parents[1] / "heldout", Path(__file__).parents[3] / "tests" / "data" / "heldout")
"""Folders of the file in the installed package and in the repository."""


def read_heldout_texts() -> list[str]:
    """Read the files of the set, in order.

    Raises:
        QuantizeError: the set is missing.
    """
    for place in PLACES:
        if (place / FILE).is_file():
            lines = (place / FILE).read_text(encoding="utf-8").splitlines()
            return [json.loads(line)["text"] for line in lines]
    raise QuantizeError(
        f"{FILE} is missing from this installation; install cg2ls again, or leave out --proof."
    )


def make_heldout_rows(
    tokenizer: CodeTokenizer, context: int, tokens: int = MEASURED_TOKENS
) -> list[npt.NDArray[np.int64]]:
    """Return rows of the set, int64, with about `tokens` tokens in total, spread evenly over it.

    Args:
        tokenizer: the model's.
        context: maximum tokens that the model takes.
        tokens: number of tokens.
    """
    row = min(ROW_TOKENS, context)
    stream = _stream(tokenizer)[: MEASURED_TOKENS - MEASURED_TOKENS % row]
    rows = [stream[at : at + row] for at in range(0, len(stream) - row + 1, row)]
    wanted = min(len(rows), max(1, tokens // row))
    return [rows[index * len(rows) // wanted] for index in range(wanted)]


def make_calibration_rows(tokenizer: CodeTokenizer, context: int) -> list[npt.NDArray[np.int64]]:
    """Return the rows of the set after the tokens that measurements use."""
    row = min(ROW_TOKENS, context)
    stream = _stream(tokenizer)[MEASURED_TOKENS:]
    return [stream[at : at + row] for at in range(0, max(1, len(stream) - row + 1), row)]


def compute_unigram_table(tokenizer: CodeTokenizer) -> npt.NDArray[np.float32]:
    """Return -log of every token's frequency in the set, nats; a missing token counts as one occurrence."""
    stream = _stream(tokenizer)
    counts = np.bincount(stream, minlength=tokenizer.special.vocab_size)
    return (-np.log(np.maximum(counts, 1) / len(stream))).astype(np.float32)


def _stream(tokenizer: CodeTokenizer) -> npt.NDArray[np.int64]:
    end = tokenizer.special.end_of_text
    return np.array(
        [token for text in read_heldout_texts() for token in (*tokenizer.encode(text), end)], np.int64
    )
