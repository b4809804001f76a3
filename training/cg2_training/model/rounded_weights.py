"""Quantization-aware training: matrices rounded in training as int4 will round them (Jacob et al. 2018).

The float32 master weights do not change. The working copies are rounded, and the gradient at the rounded weight is used
for the master (straight-through estimator, Bengio et al. 2013). A run's checkpoint has the rounded matrices; the
export's search for ranges finds the same values again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cg2ls.models.int4 import BLOCK_SIZE, MIN_MOVED_GAIN_SHARE

LEVELS = 15

NORM_FED_MATRICES = ("attn.qkv_proj.weight", "mlp.fc_in.weight")
"""Matrices rounded together with their norm's gain, since the export moves the gain into them."""


def round_int4(matrix: Tensor) -> Tensor:
    """Round a matrix to the nearest one whose blocks have 16 evenly spaced values, including zero.

    Args:
        matrix: float32 [outputs, inputs], inputs a multiple of `BLOCK_SIZE`.
    """
    blocks = matrix.view(matrix.shape[0], -1, BLOCK_SIZE)
    low = blocks.amin(-1, keepdim=True).clamp_max(0)
    span = blocks.amax(-1, keepdim=True).clamp_min(0) - low
    scale = torch.where(span > 0, span / LEVELS, torch.ones_like(span))
    zero = (-low / scale).round()
    levels = torch.minimum(torch.maximum((blocks / scale).round(), -zero), LEVELS - zero)
    return (levels * scale).view_as(matrix)


def round_matrix(name: str, masters: Mapping[str, Tensor]) -> Tensor:
    """Return a block's float32 matrix with the values that it will have in an int4 export.

    Args:
        name: name of the matrix.
        masters: all master weights by name.
    """
    matrix = masters[name]
    if not name.endswith(NORM_FED_MATRICES):
        return round_int4(matrix)
    block = name.rsplit(".", 3)[0]
    gain = masters[f"{block}.ln_1.weight"].abs()
    gain = torch.where(gain <= MIN_MOVED_GAIN_SHARE * gain.max(), torch.ones_like(gain), gain)
    return round_int4(matrix * gain) / gain
