"""How the tensors of each family's checkpoints become the matrices of a graph, and back.

A graph's initializers are named by where they stand: "model.layers.0.attn.qkv_proj.weight". Names inside a block are
written here without "model.layers.0.".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2ls.models.codegen2.config import CODEGEN25
from cg2ls.models.codegen2.tensor_layout import adjacent_pairs, fuse_qkv, split_pairs, split_qkv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import CodeGenConfig

QKV = "attn.qkv_proj"
"""Queries, keys and values side by side, heads in order, channels that are rotated together next to each other."""

EMBEDDING, HEAD, LAST_NORM = "model.embed_tokens", "lm_head", "model.ln_f"


class Layout(Protocol):
    """One family's.

    Attributes:
        norms: of a block, and the matrices right behind each.
        biases: of a block.
        has_shifts: whether norms have a shift, and the head a bias.
    """

    norms: Mapping[str, tuple[str, ...]]
    biases: tuple[str, ...]
    has_shifts: bool

    def shapes(self, config: CodeGenConfig) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of a block's matrices."""

    def source(self, name: str) -> str:
        """The checkpoint's name of an initializer that is not part of `QKV`."""

    def read_qkv(self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int) -> Float32:
        """Rows [3 * n_embd, n_embd] of `QKV`, from the checkpoint's tensors."""

    def write_qkv(self, rows: Float32, config: CodeGenConfig, layer: int) -> dict[str, Float32]:
        """Inverse of `read_qkv`: the checkpoint's tensors by name."""


class CodeGen2Layout:
    """A fused projection in groups; one norm before attention and MLP."""

    norms: Mapping[str, tuple[str, ...]] = {"ln_1": (QKV, "mlp.fc_in")}
    biases: tuple[str, ...] = ("mlp.fc_in.bias", "mlp.fc_out.bias")
    has_shifts = True

    def shapes(self, config: CodeGenConfig) -> dict[str, tuple[int, int]]:
        """See `Layout`."""
        d, inner = config.n_embd, config.n_inner
        return {QKV: (d, 3 * d), "attn.out_proj": (d, d), "mlp.fc_in": (d, inner), "mlp.fc_out": (inner, d)}

    def source(self, name: str) -> str:
        """See `Layout`."""
        for ours, theirs in (
            ("model.layers.", "transformer.h."),
            (EMBEDDING, "transformer.wte"),
            (LAST_NORM, "transformer.ln_f"),
        ):
            name = name.replace(ours, theirs)
        return name

    def read_qkv(self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int) -> Float32:
        """See `Layout`."""
        fused = read(f"transformer.h.{layer}.attn.qkv_proj.weight")
        return np.concatenate(split_qkv(fused, config.qkv_groups))

    def write_qkv(self, rows: Float32, config: CodeGenConfig, layer: int) -> dict[str, Float32]:
        """See `Layout`."""
        query, key, value = np.split(rows, 3)
        fused = fuse_qkv(query, key, value, config.qkv_groups)
        return {f"transformer.h.{layer}.attn.qkv_proj.weight": fused}


class CodeGen25Layout:
    """Llama's: queries, keys and values apart; a norm before attention and one before the gated MLP; no biases."""

    norms: Mapping[str, tuple[str, ...]] = {"ln_1": (QKV,), "ln_2": ("mlp.gate_proj", "mlp.up_proj")}
    biases: tuple[str, ...] = ()
    has_shifts = False

    def shapes(self, config: CodeGenConfig) -> dict[str, tuple[int, int]]:
        """See `Layout`."""
        d, inner = config.n_embd, config.n_inner
        wide = dict.fromkeys(("mlp.gate_proj", "mlp.up_proj"), (d, inner))
        return {QKV: (d, 3 * d), "attn.out_proj": (d, d), "mlp.down_proj": (inner, d)} | wide

    def source(self, name: str) -> str:
        """See `Layout`."""
        for ours, theirs in (
            ("ln_1", "input_layernorm"),
            ("ln_2", "post_attention_layernorm"),
            ("attn.out_proj", "self_attn.o_proj"),
            (LAST_NORM, "model.norm"),
        ):
            name = name.replace(ours, theirs)
        return name

    def read_qkv(self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int) -> Float32:
        """See `Layout`."""
        query, key, value = (read(f"model.layers.{layer}.self_attn.{part}_proj.weight") for part in "qkv")
        turned = [adjacent_pairs(rows, config.n_head) for rows in (query, key)]
        return np.concatenate([*turned, value])

    def write_qkv(self, rows: Float32, config: CodeGenConfig, layer: int) -> dict[str, Float32]:
        """See `Layout`."""
        query, key, value = np.split(rows, 3)
        parts = (split_pairs(query, config.n_head), split_pairs(key, config.n_head), value)
        names = (f"model.layers.{layer}.self_attn.{part}_proj.weight" for part in "qkv")
        return dict(zip(names, parts, strict=True))


def layout_of(config: CodeGenConfig) -> Layout:
    """The layout of a model's family."""
    return CodeGen25Layout() if config.family == CODEGEN25 else CodeGen2Layout()
