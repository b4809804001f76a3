"""A checkpoint with its channels in another order: the same function, but other weights share each block's scale.

A model that was rounded to blocks loses nothing when it is rounded to the same blocks again. So formats cannot be
compared on it. Permuted channels put weights of many former blocks into each new one, which a format sees as weights
that were never rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2ls.models.codegen2.config import CODEGEN2
from cg2ls.models.codegen2.tensor_layout import fuse_qkv, split_qkv

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import CodeGenConfig


@dataclass(frozen=True)
class _Order:
    """A permutation of channels."""

    index: npt.NDArray[np.int64]

    def rows(self, values: Float32) -> Float32:
        return values[self.index]

    def columns(self, values: Float32) -> Float32:
        return values[:, self.index]


def shuffle_channels(
    tensors: Mapping[str, Float32], config: CodeGenConfig, *, seed: int = 0
) -> dict[str, Float32]:
    """Permute the residual stream's channels, the MLPs' inner channels, and each head's value channels.

    Args:
        tensors: every tensor of a CodeGen2 checkpoint, by its published name.
        config: the checkpoint's shape.
        seed: seed of the permutations.

    Returns:
        Tensors of the same function: logits differ by rounding of sums only.

    Raises:
        QuantizeError: the checkpoint is of another family.
    """
    if config.family != CODEGEN2:
        raise QuantizeError(
            f"channels of {config.family} checkpoints cannot be shuffled; give a CodeGen2 one."
        )
    random = np.random.default_rng(seed)
    stream = _Order(random.permutation(config.n_embd))
    found = dict(tensors)
    for name in ("transformer.wte.weight", "lm_head.weight"):
        found[name] = stream.columns(tensors[name])
    for name in ("transformer.ln_f.weight", "transformer.ln_f.bias"):
        found[name] = stream.rows(tensors[name])
    for layer in range(config.n_layer):
        here = f"transformer.h.{layer}"
        inner, values = _Order(random.permutation(config.n_inner)), _Order(_order_in_heads(config, random))
        for part in ("weight", "bias"):
            found[f"{here}.ln_1.{part}"] = stream.rows(tensors[f"{here}.ln_1.{part}"])
            found[f"{here}.mlp.fc_in.{part}"] = inner.rows(tensors[f"{here}.mlp.fc_in.{part}"])
            found[f"{here}.mlp.fc_out.{part}"] = stream.rows(tensors[f"{here}.mlp.fc_out.{part}"])
        found[f"{here}.mlp.fc_in.weight"] = stream.columns(found[f"{here}.mlp.fc_in.weight"])
        found[f"{here}.mlp.fc_out.weight"] = inner.columns(found[f"{here}.mlp.fc_out.weight"])
        query, key, value = split_qkv(tensors[f"{here}.attn.qkv_proj.weight"], config.qkv_groups)
        query, key, value = (stream.columns(part) for part in (query, key, values.rows(value)))
        found[f"{here}.attn.qkv_proj.weight"] = fuse_qkv(query, key, value, config.qkv_groups)
        out = tensors[f"{here}.attn.out_proj.weight"]
        found[f"{here}.attn.out_proj.weight"] = values.columns(stream.rows(out))
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def _order_in_heads(config: CodeGenConfig, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return an order of all heads' channels that leaves each channel in its head."""
    size = config.head_dim
    return np.concatenate([head * size + random.permutation(size) for head in range(config.n_head)])
