"""What a small code set says of a network: how large its keys and values are, and which inputs matter.

The set is what the held-out file keeps beyond the tokens that proofs measure on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.graph.build_graph import NETWORKS
from cg2_quantize.verification.heldout import calibration_rows
from cg2_quantize.verification.pieces import Rows
from cg2_quantize.verification.reference import reference_network

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

LEAST_SCALE = 1e-8


@dataclass
class Calibration:
    """Per layer, over the calibration set.

    Attributes:
        largest: |keys| and |values| at most, [n_head * head_dim] each, by layer.
        energy: mean square of each input of a product, by the product's path, such as "/model/layers.0/mlp/fc_in".
    """

    largest: dict[int, tuple[Float32, Float32]] = field(default_factory=dict)
    energy: dict[str, Float32] = field(default_factory=dict)

    def of(self, layer: int) -> tuple[Float32, Float32]:
        """Scales of int8 keys and values (`KvScales`)."""
        key, value = (np.maximum(largest / 127, LEAST_SCALE) for largest in self.largest[layer])
        return key.astype(np.float32), value.astype(np.float32)


def calibrate(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> Calibration:
    """Runs the float32 network over the set, a layer at a time."""
    config, found = checkpoint.config, Calibration()
    rows = calibration_rows(tokenizer, config.n_positions)
    tokens = np.stack([row for row in rows if len(row) == len(rows[0])])
    side = Rows(reference_network(checkpoint), (config.n_head, config.head_dim), "float32", tokens)
    side.embed()

    for layer in range(config.n_layer):
        inside = NETWORKS[config.family].product_inputs(layer)
        gathered = _Gathered()
        side.block(layer, gathered, list(inside.values()))
        found.largest[layer] = gathered.largest
        means = [(sums / tokens.size).astype(np.float32) for sums in gathered.energy]
        found.energy |= dict(zip(inside, means, strict=True))
    return found


@dataclass
class _Gathered:
    """Of one block, over all rows."""

    largest: tuple[Float32, Float32] = (np.zeros(1, np.float32), np.zeros(1, np.float32))
    energy: list[Float32] = field(default_factory=list)

    def __call__(self, cache: tuple[Float32, Float32], inside: list[Float32]) -> None:
        key, value = (np.abs(part).max(axis=1).reshape(-1) for part in cache)
        self.largest = np.maximum(self.largest[0], key), np.maximum(self.largest[1], value)
        sums = [np.square(values).sum(axis=0) for values in inside]
        self.energy = [a + b for a, b in zip(self.energy, sums, strict=True)] if self.energy else sums
