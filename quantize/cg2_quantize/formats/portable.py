"""int4 in standard operators, for runtimes that know no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from cg2_quantize.formats.int8 import Int8
from cg2_quantize.formats.protocol import tensor_name
from cg2_quantize.formats.rounding import round_blocks, unpack
from cg2ls.models.int4 import BLOCK_SIZE

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder


class PortableInt4:
    """Four bits in blocks behind DequantizeLinear; the head and the embedding as in portable int8."""

    moves_norms = True

    def __init__(self) -> None:
        self._ends = Int8(portable=True)

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `Precision`."""
        blocks = round_blocks(weight, bits=4, block_size=BLOCK_SIZE)
        inputs, outputs = weight.shape
        levels = unpack(blocks.packed, 4).reshape(outputs, -1)[:, :inputs].T
        zero_points = unpack(blocks.zero_points, 4)[:, : blocks.scales.shape[1]].T
        constants = [
            graph.constant(tensor_name(path, "weight_levels"), levels.astype(ml_dtypes.uint4)),
            graph.constant(tensor_name(path, "weight_scales"), np.ascontiguousarray(blocks.scales.T)),
            graph.constant(tensor_name(path, "weight_zero_points"), zero_points.astype(ml_dtypes.uint4)),
        ]
        values = graph.node("DequantizeLinear", path, constants, axis=0, block_size=BLOCK_SIZE)
        return graph.node("MatMul", path, [x, values])

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """See `Precision`."""
        return self._ends.head(graph, path, x, weight, bias)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `Precision`."""
        return self._ends.embedding(graph, path, ids, table)
