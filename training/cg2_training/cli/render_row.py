"""Training rows as text a person can read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cg2ls.models.codegen2 import CodeTokenizer


def render_row(row: npt.NDArray[np.int64], tokenizer: CodeTokenizer) -> str:
    """A row's tokens decoded, special tokens spelled out, padding left away."""
    special = tokenizer.special
    names = {special.end_of_text: "<|endoftext|>", special.sep: "<sep>", special.eom: "<eom>"}
    names |= {special.mask(number): f"<mask_{number}>" for number in range(1, special.n_masks + 1)}
    parts: list[str] = []
    text: list[int] = []
    for token in [int(token) for token in row if token >= 0]:
        if token in names:
            parts += [tokenizer.decode(text), names[token]]
            text = []
        else:
            text.append(token)
    return "".join([*parts, tokenizer.decode(text)])
