"""A checkpoint's tensors as the plain matrices a graph multiplies by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.codegen2.qkv import split_qkv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2_quantize.rounding import Float32
    from cg2ls.codegen2 import Checkpoint

LEAST_MOVED = 1 / 64
"""Scales of a norm below this share of its largest stay where they are: their shift would grow too large."""


@dataclass(frozen=True)
class NamedWeights:
    """Matrices are [inputs, outputs] float32, read when asked for; their memory has the order of the checkpoint.

    Attributes:
        checkpoint: where they are read from.
        moves_norms: whether a norm's scale per channel moves into the matrices behind it. The same function, but
            activations then have channels of one size, which eight bits with a scale per row hold better. It is
            SmoothQuant (Xiao et al. 2023, arXiv 2211.10438) with the norm's own scale in place of a measurement.
        progress: is told of every tensor's bytes when it has been read.
    """

    checkpoint: Checkpoint
    moves_norms: bool = False
    progress: Callable[[int], None] | None = None

    def embedding(self) -> Float32:
        """Token embedding, [vocab_size, n_embd]."""
        return self.vector("transformer.wte.weight")

    def head(self) -> Float32:
        """Output head, [n_embd, vocab_size]."""
        return self._behind_norm("transformer.ln_f", self._transposed("lm_head.weight"))

    def qkv(self, layer: int) -> Float32:
        """Query, key and value side by side, heads in order: [n_embd, 3 * n_embd]."""
        fused = self.vector(f"transformer.h.{layer}.attn.qkv_proj.weight")
        parts = split_qkv(fused, self.checkpoint.config.qkv_groups)
        return self._behind_norm(f"transformer.h.{layer}.ln_1", np.concatenate(parts).T)

    def out_proj(self, layer: int) -> Float32:
        """Attention output, [n_embd, n_embd]."""
        return self._transposed(f"transformer.h.{layer}.attn.out_proj.weight")

    def fc_in(self, layer: int) -> Float32:
        """First matrix of the MLP, [n_embd, n_inner]."""
        matrix = self._transposed(f"transformer.h.{layer}.mlp.fc_in.weight")
        return self._behind_norm(f"transformer.h.{layer}.ln_1", matrix)

    def fc_out(self, layer: int) -> Float32:
        """Second matrix of the MLP, [n_inner, n_embd]."""
        return self._transposed(f"transformer.h.{layer}.mlp.fc_out.weight")

    def norm(self, name: str) -> tuple[Float32, Float32]:
        """Scale and shift [n_embd] of a layer norm, by its name in the checkpoint."""
        moved = self._moved(name)
        return self.vector(f"{name}.weight") / moved, self.vector(f"{name}.bias") / moved

    def importance(self, energy: Mapping[str, Float32]) -> dict[str, Float32]:
        """Mean squares of products' inputs, by path, where the norms' scales are no longer in them."""
        found = dict(energy)
        for layer in range(self.checkpoint.config.n_layer if energy else 0):
            moved = self._moved(f"transformer.h.{layer}.ln_1")
            for path in (f"/model/layers.{layer}/attn/qkv_proj", f"/model/layers.{layer}/mlp/fc_in"):
                found[path] = (energy[path] / np.square(moved)).astype(np.float32)
        return found

    def vector(self, name: str) -> Float32:
        """A bias, by its name in the checkpoint."""
        values = self.checkpoint.tensor(name)
        if self.progress is not None:
            self.progress(values.nbytes)
        return values

    def _moved(self, norm: str) -> Float32:
        """Factors [n_embd] that leave a norm for the matrices behind it; 1 for those that stay."""
        scale = np.abs(self.checkpoint.tensor(f"{norm}.weight"))
        stays = scale <= LEAST_MOVED * scale.max()
        return np.where(stays | (not self.moves_norms), np.float32(1), scale)

    def _behind_norm(self, norm: str, matrix: Float32) -> Float32:
        if self.moves_norms:
            matrix *= self._moved(norm)[:, None]
        return matrix

    def _transposed(self, name: str) -> Float32:
        return self.vector(name).T
