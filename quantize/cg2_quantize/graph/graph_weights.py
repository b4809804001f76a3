"""A checkpoint's tensors as the matrices that a graph multiplies by, and back.

A graph's initializers are named by their place: "model.layers.0.attn.qkv_proj.weight". Names inside a block are
written here without "model.layers.0.".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2ls.models.codegen2.config import CODEGEN2
from cg2ls.models.codegen2.tensor_layout import adjacent_pairs, fuse_qkv, split_pairs, split_qkv
from cg2ls.models.int4 import MIN_MOVED_GAIN_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig

QKV = "attn.qkv_proj"
"""Queries, keys and values in one matrix, heads in order; channels that are rotated together are neighbours."""

EMBEDDING, HEAD, LAST_NORM = "model.embed_tokens", "lm_head", "model.ln_f"


class Layout(Protocol):
    """Tensors of one family's checkpoints.

    Attributes:
        norms: norms of a block, and the matrices directly after each.
        biases: biases of a block.
        has_shifts: whether norms have a shift, and the head a bias.
    """

    norms: Mapping[str, tuple[str, ...]]
    biases: tuple[str, ...]
    has_shifts: bool

    def shapes(self, config: CodeGenConfig) -> dict[str, tuple[int, int]]:
        """Return the inputs and outputs of a block's matrices."""

    def source(self, name: str) -> str:
        """Return the checkpoint's name of an initializer that is not part of `QKV`."""

    def read_qkv(self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int) -> Float32:
        """Return the rows [qkv_width, n_embd] of `QKV`, from the checkpoint's tensors."""

    def write_qkv(self, rows: Float32, config: CodeGenConfig, layer: int) -> dict[str, Float32]:
        """Invert `read_qkv`: return the checkpoint's tensors by name; `rows` may be the bias [qkv_width]."""


class CodeGen2Layout:
    """CodeGen2's layout: a fused projection in groups; one norm before attention and MLP."""

    norms: Mapping[str, tuple[str, ...]] = {"ln_1": (QKV, "mlp.fc_in")}
    biases: tuple[str, ...] = ("mlp.fc_in.bias", "mlp.fc_out.bias")
    has_shifts = True

    def shapes(self, config: CodeGenConfig) -> dict[str, tuple[int, int]]:
        """See `Layout`."""
        d, inner = config.n_embd, config.n_inner
        return {QKV: (d, 3 * d), "attn.out_proj": (d, d), "mlp.fc_in": (d, inner), "mlp.fc_out": (inner, d)}

    def source(self, name: str) -> str:
        """See `Layout`."""
        for in_graph, in_checkpoint in (
            ("model.layers.", "transformer.h."),
            (EMBEDDING, "transformer.wte"),
            (LAST_NORM, "transformer.ln_f"),
        ):
            name = name.replace(in_graph, in_checkpoint)
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


class LlamaLayout:
    """Llama's layout: separate queries, keys and values; norms before attention and before the gated MLP.

    Qwen2's queries, keys and values have a bias; no other part has one.
    """

    norms: Mapping[str, tuple[str, ...]] = {"ln_1": (QKV,), "ln_2": ("mlp.gate_proj", "mlp.up_proj")}
    biases: tuple[str, ...] = ()
    has_shifts = False

    def shapes(self, config: CodeGenConfig) -> dict[str, tuple[int, int]]:
        """See `Layout`."""
        d, inner = config.n_embd, config.n_inner
        wide = dict.fromkeys(("mlp.gate_proj", "mlp.up_proj"), (d, inner))
        return {QKV: (d, config.qkv_width), "attn.out_proj": (d, d), "mlp.down_proj": (inner, d)} | wide

    def source(self, name: str) -> str:
        """See `Layout`."""
        for in_graph, in_checkpoint in (
            ("ln_1", "input_layernorm"),
            ("ln_2", "post_attention_layernorm"),
            ("attn.out_proj", "self_attn.o_proj"),
            (LAST_NORM, "model.norm"),
        ):
            name = name.replace(in_graph, in_checkpoint)
        return name

    def read_qkv(self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int) -> Float32:
        """See `Layout`."""
        return self._read_parts(read, config, layer, "weight")

    def read_qkv_bias(self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int) -> Float32:
        """Return the bias [qkv_width] of `QKV`."""
        return self._read_parts(read, config, layer, "bias")

    def _read_parts(
        self, read: Callable[[str], Float32], config: CodeGenConfig, layer: int, kind: str
    ) -> Float32:
        query, key, value = (read(f"model.layers.{layer}.self_attn.{part}_proj.{kind}") for part in "qkv")
        turned = [adjacent_pairs(query, config.n_head), adjacent_pairs(key, config.kv_heads)]
        return np.concatenate([*turned, value])

    def write_qkv(self, rows: Float32, config: CodeGenConfig, layer: int) -> dict[str, Float32]:
        """See `Layout`."""
        query, key, value = np.split(rows, [config.n_embd, config.n_embd + config.kv_width])
        parts = (split_pairs(query, config.n_head), split_pairs(key, config.kv_heads), value)
        kind = "weight" if rows.ndim == 2 else "bias"
        names = (f"model.layers.{layer}.self_attn.{part}_proj.{kind}" for part in "qkv")
        return dict(zip(names, parts, strict=True))


def find_layout(config: CodeGenConfig) -> Layout:
    """Return the layout of a model's family."""
    return CodeGen2Layout() if config.family == CODEGEN2 else LlamaLayout()


@dataclass(frozen=True)
class GraphWeights:
    """Weights by their names in the graph, such as "model.layers.0.attn.out_proj".

    Matrices are [inputs, outputs] float32, read on demand; their memory has the order of the checkpoint.

    Attributes:
        checkpoint: the source of the weights.
        moves_norms: whether a norm's scale per channel moves into the matrices after it. The function is the same, but
            activations then have channels of one size, which eight bits with a scale per row hold better. This is
            SmoothQuant (Xiao et al. 2023, arXiv 2211.10438) with the norm's own scale in place of a measurement.
        on_progress: called with the bytes of every tensor that has been read.
    """

    checkpoint: Checkpoint
    moves_norms: bool = False
    on_progress: Callable[[int], None] | None = None

    @property
    def layout(self) -> Layout:
        """Layout of the checkpoint's family."""
        return find_layout(self.checkpoint.config)

    def embedding(self) -> Float32:
        """Return the token embedding, [vocab_size, n_embd]."""
        return self.vector(f"{EMBEDDING}.weight")

    def head(self) -> Float32:
        """Return the output head, [n_embd, vocab_size]."""
        return self._fold_norm(LAST_NORM, self.vector(f"{HEAD}.weight").T)

    def head_bias(self) -> Float32 | None:
        """Return the bias of the output head, [vocab_size]; None if the family has none."""
        return self.vector(f"{HEAD}.bias") if self.layout.has_shifts else None

    def qkv_bias(self, layer: int) -> Float32 | None:
        """Return the bias [qkv_width] of a block's `QKV`; None if the family has none."""
        config, layout = self.checkpoint.config, self.layout
        if not (config.has_qkv_bias and isinstance(layout, LlamaLayout)):
            return None
        return layout.read_qkv_bias(self._read, config, layer)

    def matrix(self, layer: int, name: str) -> Float32:
        """Return a matrix of a block, such as "mlp.fc_in" of layer 3."""
        here = f"model.layers.{layer}"
        if name == QKV:
            matrix = self.layout.read_qkv(self._read, self.checkpoint.config, layer).T
        else:
            matrix = self.vector(f"{here}.{name}.weight").T
        norm = next((norm for norm, after in self.layout.norms.items() if name in after), None)
        return matrix if norm is None else self._fold_norm(f"{here}.{norm}", matrix)

    def norm(self, name: str) -> tuple[Float32, Float32 | None]:
        """Return scale and, where the family has one, shift [n_embd] of "model.layers.0.ln_1" or "model.ln_f"."""
        moved = self._moved_factors(name)
        scale = self.vector(f"{name}.weight") / moved
        return scale, self.vector(f"{name}.bias") / moved if self.layout.has_shifts else None

    def vector(self, name: str) -> Float32:
        """Return a tensor of the checkpoint, by its name in the graph."""
        return self._read(self.layout.source(name))

    def _read(self, source: str) -> Float32:
        values = self.checkpoint.tensor(source)
        if self.on_progress is not None:
            self.on_progress(values.nbytes)
        return values

    def _moved_factors(self, norm: str) -> Float32:
        """Return the factors [n_embd] that move from a norm into the matrices after it; 1 for those that stay."""
        scale = np.abs(self.checkpoint.tensor(self.layout.source(f"{norm}.weight")))
        stays = scale <= MIN_MOVED_GAIN_SHARE * scale.max()  # their shift would grow too large
        return np.where(stays | (not self.moves_norms), np.float32(1), scale)

    def _fold_norm(self, norm: str, matrix: Float32) -> Float32:
        if self.moves_norms:
            matrix *= self._moved_factors(norm)[:, None]
        return matrix
