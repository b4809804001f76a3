"""Where the loss falls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cg2_training.objective.config import IGNORED
from cg2ls.models.codegen2 import SpecialTokens

IntArray = npt.NDArray[np.integer]


def labels_of(tokens: IntArray, special: SpecialTokens) -> IntArray:
    """Next-token labels of ids [..., time + 1], int64 [..., time].

    No loss falls on `<mask_N>`, on `<sep>` and on the `<|endoftext|>` before it: where a mask stands is
    chance, and the server writes all three itself.
    """
    labels = tokens[..., 1:].astype(np.int64)
    before_sep = np.zeros(labels.shape, dtype=bool)
    before_sep[..., :-1] = labels[..., 1:] == special.sep
    return np.where((labels >= special.first_mask_id) | (labels == special.sep) | before_sep, IGNORED, labels)
