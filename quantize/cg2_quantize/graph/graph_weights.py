"""A checkpoint's tensors as the plain matrices a graph multiplies by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.graph.layouts import EMBEDDING, HEAD, LAST_NORM, QKV, layout_of
from cg2ls.models.int4 import MIN_MOVED_GAIN_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.layouts import Layout
    from cg2ls.models.codegen2 import Checkpoint


@dataclass(frozen=True)
class GraphWeights:
    """Weights by their names in the graph, such as "model.layers.0.attn.out_proj".

    Matrices are [inputs, outputs] float32, read when asked for; their memory has the order of the checkpoint.

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

    @property
    def layout(self) -> Layout:
        """Of the checkpoint's family."""
        return layout_of(self.checkpoint.config)

    def embedding(self) -> Float32:
        """Token embedding, [vocab_size, n_embd]."""
        return self.vector(f"{EMBEDDING}.weight")

    def head(self) -> Float32:
        """Output head, [n_embd, vocab_size]."""
        return self._behind_norm(LAST_NORM, self.vector(f"{HEAD}.weight").T)

    def head_bias(self) -> Float32 | None:
        """Bias of the output head, [vocab_size], where the family has one."""
        return self.vector(f"{HEAD}.bias") if self.layout.has_shifts else None

    def matrix(self, layer: int, name: str) -> Float32:
        """A matrix of a block, such as "mlp.fc_in" of layer 3."""
        here = f"model.layers.{layer}"
        if name == QKV:
            matrix = self.layout.read_qkv(self._read, self.checkpoint.config, layer).T
        else:
            matrix = self.vector(f"{here}.{name}.weight").T
        norm = next((norm for norm, behind in self.layout.norms.items() if name in behind), None)
        return matrix if norm is None else self._behind_norm(f"{here}.{norm}", matrix)

    def norm(self, name: str) -> tuple[Float32, Float32 | None]:
        """Scale, and shift where the family has one, [n_embd]; "model.layers.0.ln_1" or "model.ln_f"."""
        moved = self._moved(name)
        scale = self.vector(f"{name}.weight") / moved
        return scale, self.vector(f"{name}.bias") / moved if self.layout.has_shifts else None

    def importance(self, energy: Mapping[str, Float32]) -> dict[str, Float32]:
        """Mean squares of products' inputs, by path, where the norms' scales are no longer in them."""
        found = dict(energy)
        for layer in range(self.checkpoint.config.n_layer if energy else 0):
            for norm, behind in self.layout.norms.items():
                moved = self._moved(f"model.layers.{layer}.{norm}")
                for name in behind:
                    path = f"/model/layers.{layer}/{name.replace('.', '/')}"
                    found[path] = (energy[path] / np.square(moved)).astype(np.float32)
        return found

    def vector(self, name: str) -> Float32:
        """A tensor as the checkpoint has it, by its name in the graph."""
        return self._read(self.layout.source(name))

    def _read(self, source: str) -> Float32:
        values = self.checkpoint.tensor(source)
        if self.progress is not None:
            self.progress(values.nbytes)
        return values

    def _moved(self, norm: str) -> Float32:
        """Factors [n_embd] that leave a norm for the matrices behind it; 1 for those that stay."""
        scale = np.abs(self.checkpoint.tensor(self.layout.source(f"{norm}.weight")))
        stays = scale <= MIN_MOVED_GAIN_SHARE * scale.max()  # their shift would grow too large
        return np.where(stays | (not self.moves_norms), np.float32(1), scale)

    def _behind_norm(self, norm: str, matrix: Float32) -> Float32:
        if self.moves_norms:
            matrix *= self._moved(norm)[:, None]
        return matrix
