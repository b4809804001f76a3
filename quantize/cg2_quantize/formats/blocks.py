"""Weights in blocks with a scale and a zero point each: int4 and int6 everywhere, int8 for CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from cg2_quantize.formats.compensation import round_compensated
from cg2_quantize.formats.int8 import Int8
from cg2_quantize.formats.matrix_writer import tensor_name
from cg2_quantize.formats.rounding import round_blocks, unpack
from cg2_quantize.graph.builder import MICROSOFT
from cg2ls.models.int4 import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2_quantize.formats.rounding import Blocks, Float32
    from cg2_quantize.graph.builder import GraphBuilder

ROW_BLOCK = 128
"""Channels of an embedding row that share a scale."""

INT8_ACTIVATIONS = 4
"""MatMulNBits' accuracy_level at which processors multiply in 8-bit integers, activations rounded per row and block."""


MAX_COMPENSATED_INPUTS = 8192
"""Inputs of a product up to which errors are compensated: that takes three matrices of inputs x inputs in float64."""

ATTENTION_INPUT = "attn.qkv_proj"
"""The product that loses most by four bits: half of all on the shipped model, with a quarter of the blocks' weights."""


class InBlocks:
    """`bits` per weight in MatMulNBits, the head and the embedding in eight bits.

    Args:
        bits: 4 or 8.
        rounds_activations: whether products may round activations to eight bits (processors only).
        inputs: returns the inputs [tokens, channels] of a product over the calibration set, by the product's path;
            None to round every weight by itself.
        eight_bits: matrices that have eight bits anyway, by their names or ends of them.
    """

    moves_norms = True

    def __init__(
        self,
        bits: int,
        *,
        rounds_activations: bool,
        inputs: Callable[[str], Float32] | None = None,
        eight_bits: tuple[str, ...] = (),
    ) -> None:
        self._inputs = inputs
        self._bits = bits
        self._eight_bits = eight_bits
        self._accuracy = INT8_ACTIVATIONS if rounds_activations else 0

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `MatrixWriter`."""
        bits = 8 if tensor_name(path, "").rstrip(".").endswith(self._eight_bits) else self._bits
        if self._inputs is None or bits == 8:
            blocks = round_blocks(weight, bits=bits, block_size=BLOCK_SIZE)
        else:
            blocks = _round_calibrated(weight, self._inputs(path), bits)
        return add_block_linear(graph, path, x, blocks, accuracy=self._accuracy)

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """See `MatrixWriter`."""
        if self._accuracy:
            return Int8().head(graph, path, x, weight, bias)
        blocks = round_blocks(weight, bits=8, block_size=BLOCK_SIZE)
        return add_block_linear(graph, path, x, blocks, bias, accuracy=self._accuracy)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `MatrixWriter`."""
        return add_block_embedding(graph, path, ids, table)


def _round_calibrated(weight: Float32, inputs: Float32, bits: int) -> Blocks:
    """Round a matrix by inputs [tokens, channels]: errors compensated, or weighed where it has too many inputs."""
    if inputs.shape[1] > MAX_COMPENSATED_INPUTS:
        energy = np.square(inputs).mean(axis=0)
        return round_blocks(weight, bits=bits, block_size=BLOCK_SIZE, importance=energy)
    covariance = inputs.T @ inputs / np.float32(len(inputs))
    return round_compensated(weight, covariance, bits=bits, block_size=BLOCK_SIZE)


def add_block_linear(
    graph: GraphBuilder,
    path: str,
    x: str,
    blocks: Blocks,
    bias: Float32 | None = None,
    *,
    accuracy: int = INT8_ACTIVATIONS,
) -> str:
    """Add a MatMulNBits node with blocks of `BLOCK_SIZE` inputs and return its output."""
    inputs = [x, *_constants(graph, path, blocks)]
    if bias is not None:
        inputs += ["", graph.constant(tensor_name(path, "bias"), np.asarray(bias))]
    return graph.node(
        "MatMulNBits",
        path,
        inputs,
        domain=MICROSOFT,
        K=blocks.inputs,
        N=len(blocks.packed),
        bits=blocks.bits,
        block_size=BLOCK_SIZE,
        accuracy_level=accuracy,
    )


def add_block_embedding(graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
    """Add a GatherBlockQuantized node over eight-bit rows and return its output."""
    blocks = round_blocks(table.T, bits=8, block_size=ROW_BLOCK)
    levels, scales, zero_points = _constants(graph, path, blocks, columns=table.shape[1])
    return graph.node(
        "GatherBlockQuantized",
        path,
        [levels, ids, scales, zero_points],
        domain=MICROSOFT,
        bits=8,
        block_size=ROW_BLOCK,
        gather_axis=0,
        quantize_axis=1,
    )


def _constants(
    graph: GraphBuilder, path: str, blocks: Blocks, columns: int | None = None
) -> tuple[str, str, str]:
    """Add levels (as rows of `columns` if given), scales and zero points; return their names."""
    packed = blocks.packed
    if columns is not None:
        packed = packed.reshape(len(packed), -1)[:, :columns]
    return (
        graph.constant(tensor_name(path, f"weight_int{blocks.bits}"), packed),
        graph.constant(tensor_name(path, "weight_scales"), blocks.scales),
        graph.constant(tensor_name(path, "weight_zero_points"), blocks.zero_points),
    )


class PortableInt4:
    """Four bits in blocks, read by DequantizeLinear; the head and the embedding as in portable int8."""

    moves_norms = True

    def __init__(self) -> None:
        self._ends = Int8(portable=True)

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `MatrixWriter`."""
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
        """See `MatrixWriter`."""
        return self._ends.head(graph, path, x, weight, bias)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `MatrixWriter`."""
        return self._ends.embedding(graph, path, ids, table)
