"""Matrices rounded in training as int4 will round them: the network learns to live with it (Jacob et al. 2018).

The float32 masters stay as they are; the working copies that compute are rounded, and the gradient at the rounded
weight is taken for the master's (the straight-through estimator, Bengio et al. 2013). A run's checkpoint has the
rounded matrices, on whose values the export's own search for ranges then lands again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cg2ls.models.int4 import BLOCK_SIZE, MIN_MOVED_GAIN_SHARE

LEVELS = 15

NORM_FED_MATRICES = ("attn.qkv_proj.weight", "mlp.fc_in.weight")
"""Matrices that are rounded with their norm's gain in them, since the gain moves there at export."""


def round_int4(matrix: Tensor) -> Tensor:
    """Return the nearest matrix whose blocks have 16 evenly spaced values, zero among them.

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
    """Return a matrix of a block, float32, as it will compute when it has been exported to int4.

    Args:
        name: of the matrix.
        masters: all weights by name.
    """
    matrix = masters[name]
    if not name.endswith(NORM_FED_MATRICES):
        return round_int4(matrix)
    block = name.rsplit(".", 3)[0]
    gain = masters[f"{block}.ln_1.weight"].abs()
    gain = torch.where(gain <= MIN_MOVED_GAIN_SHARE * gain.max(), torch.ones_like(gain), gain)
    return round_int4(matrix * gain) / gain
