"""A checkpoint's tensors as the plain matrices a graph multiplies by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.codegen2.qkv import split_qkv

if TYPE_CHECKING:
    from cg2_quantize.rounding import Float32
    from cg2ls.codegen2 import Checkpoint


@dataclass(frozen=True)
class NamedWeights:
    """Matrices are [inputs, outputs] float32, read and transposed when asked for."""

    checkpoint: Checkpoint

    def embedding(self) -> Float32:
        """Token embedding, [vocab_size, n_embd]."""
        return self.checkpoint.tensor("transformer.wte.weight")

    def head(self) -> Float32:
        """Output head, [n_embd, vocab_size]."""
        return self._transposed("lm_head.weight")

    def qkv(self, layer: int) -> Float32:
        """Query, key and value side by side, heads in order: [n_embd, 3 * n_embd]."""
        fused = self.checkpoint.tensor(f"transformer.h.{layer}.attn.qkv_proj.weight")
        parts = split_qkv(fused, self.checkpoint.config.qkv_groups)
        return np.ascontiguousarray(np.concatenate(parts).T, dtype=np.float32)

    def out_proj(self, layer: int) -> Float32:
        """Attention output, [n_embd, n_embd]."""
        return self._transposed(f"transformer.h.{layer}.attn.out_proj.weight")

    def fc_in(self, layer: int) -> Float32:
        """First matrix of the MLP, [n_embd, n_inner]."""
        return self._transposed(f"transformer.h.{layer}.mlp.fc_in.weight")

    def fc_out(self, layer: int) -> Float32:
        """Second matrix of the MLP, [n_inner, n_embd]."""
        return self._transposed(f"transformer.h.{layer}.mlp.fc_out.weight")

    def vector(self, name: str) -> Float32:
        """A bias or a norm's scale, by its name in the checkpoint."""
        return self.checkpoint.tensor(name)

    def _transposed(self, name: str) -> Float32:
        return np.ascontiguousarray(self.checkpoint.tensor(name).T)
