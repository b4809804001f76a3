"""Row order of CodeGen's fused qkv projection.

The rows of `qkv_proj.weight` ([3 * d, d]) come in groups, one per TPU core of the machine the model was
trained on; inside a group the order is query, value, key. Shapes do not reveal the number of groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]


def split_qkv(fused: FloatArray, groups: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Plain query, key and value matrices, each [d, d], from the fused [3 * d, d] with `groups` groups."""
    d = fused.shape[1]
    query, value, key = fused.reshape(groups, 3, d // groups, d).transpose(1, 0, 2, 3).reshape(3, d, d)
    return query, key, value


def fuse_qkv(query: FloatArray, key: FloatArray, value: FloatArray, groups: int) -> FloatArray:
    """Inverse of `split_qkv`: the fused [3 * d, d] with `groups` groups."""
    d = query.shape[1]
    stacked = np.stack([query, value, key]).reshape(3, groups, d // groups, d)
    return stacked.transpose(1, 0, 2, 3).reshape(3 * d, d)


def regroup_qkv(fused: FloatArray, groups: int, new_groups: int) -> FloatArray:
    """The same projection laid out with another number of groups (8 -> 4 for `transformers`)."""
    query, key, value = split_qkv(fused, groups)
    return fuse_qkv(query, key, value, new_groups)
