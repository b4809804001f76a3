"""How a named matrix product and the embedding are written in each precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2_quantize.activations import rounded_rows
from cg2_quantize.builder import MICROSOFT
from cg2_quantize.rounding import round_blocks, round_int8

if TYPE_CHECKING:
    from cg2_quantize.builder import GraphBuilder
    from cg2_quantize.rounding import Float32

BLOCK_SIZE = 32
"""Inputs that share a scale in int4."""

INT8_ACTIVATIONS = 4
"""MatMulNBits' accuracy_level at which it multiplies in 8-bit integers."""


class Precision(Protocol):
    """Writes matrices into a graph.

    Attributes:
        name: as in model.json.
        independent_rows: whether a token's result does not depend on which others share its call.
        moves_norms: whether norms' scales move into the weights behind them (see `NamedWeights`).
    """

    name: str
    independent_rows: bool
    moves_norms: bool

    def linear(
        self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None = None
    ) -> str:
        """`x` @ weight (+ bias), weight [inputs, outputs]; `path` such as "/model/layers.0/mlp/fc_in"."""

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32) -> str:
        """`linear` of the output head."""

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """Rows of table [vocabulary, n_embd] as float32."""


class Fp32:
    """The checkpoint's own values."""

    name = "fp32"
    independent_rows = True
    moves_norms = False

    def linear(
        self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None = None
    ) -> str:
        """See `Precision`."""
        product = graph.node("MatMul", path, [x, graph.constant(tensor_name(path, "weight"), weight)])
        if bias is None:
            return product
        return graph.node("Add", path, [product, graph.constant(tensor_name(path, "bias"), bias)])

    head = linear

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `Precision`."""
        return graph.node("Gather", path, [graph.constant(tensor_name(path, "weight"), table), ids])


class Int8:
    """Eight bits with a scale per output; activations are rounded to eight bits as they come, row by row."""

    name = "int8"
    independent_rows = True
    moves_norms = True

    def linear(
        self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None = None
    ) -> str:
        """See `Precision`."""
        rounded, scale = round_int8(weight, axis=0)
        matrix = graph.constant(tensor_name(path, "weight_int8"), rounded)
        scales = graph.constant(tensor_name(path, "weight_scale"), scale[0])
        rows = rounded_rows(graph, x, after_gelu=x.endswith("/FastGelu/output"))
        inputs = [rows.levels, matrix, rows.step, scales, rows.zero_point, ""]
        product = graph.node("MatMulIntegerToFloat", path, inputs, domain=MICROSOFT)
        product = graph.node("Mul", path, [product, rows.scale])
        if bias is None:
            return product
        return graph.node("Add", path, [product, graph.constant(tensor_name(path, "bias"), bias)])

    head = linear

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `Precision`."""
        return int8_embedding(graph, path, ids, table)


class Int4:
    """Four bits in blocks with a scale and a zero point; the head and the embedding in eight bits."""

    name = "int4"
    independent_rows = True
    moves_norms = True

    def linear(
        self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None = None
    ) -> str:
        """See `Precision`."""
        return block_linear(graph, path, x, weight, bias, bits=4)

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32) -> str:
        """See `Precision`."""
        return block_linear(graph, path, x, weight, bias, bits=8)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `Precision`."""
        return int8_embedding(graph, path, ids, table)


PRECISIONS: dict[str, Precision] = {precision.name: precision for precision in (Fp32(), Int8(), Int4())}


def tensor_name(path: str, part: str) -> str:
    """Name of an initializer: "/model/layers.0/mlp/fc_in" and "bias" give "model.layers.0.mlp.fc_in.bias"."""
    return f"{path.strip('/').replace('/', '.')}.{part}"


def int8_embedding(graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
    """Rows of an int8 table with a scale per row, in standard operators."""
    rounded, scale = round_int8(table, axis=1)
    rows = graph.node(
        "Gather", f"{path}/rows", [graph.constant(tensor_name(path, "weight_int8"), rounded), ids]
    )
    scales = graph.node(
        "Gather", f"{path}/scales", [graph.constant(tensor_name(path, "weight_scale"), scale), ids]
    )
    widened = graph.node("Cast", path, [rows], to=1)
    return graph.node("Mul", path, [widened, scales])


def block_linear(
    graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None, *, bits: int
) -> str:
    """A MatMulNBits node."""
    blocks = round_blocks(weight, bits=bits, block_size=BLOCK_SIZE)
    inputs = [
        x,
        graph.constant(tensor_name(path, f"weight_int{bits}"), blocks.packed),
        graph.constant(tensor_name(path, "weight_scales"), blocks.scales),
        graph.constant(tensor_name(path, "weight_zero_points"), blocks.zero_points),
    ]
    if bias is not None:
        inputs += ["", graph.constant(tensor_name(path, "bias"), np.asarray(bias))]
    return graph.node(
        "MatMulNBits",
        path,
        inputs,
        domain=MICROSOFT,
        K=weight.shape[0],
        N=weight.shape[1],
        bits=bits,
        block_size=BLOCK_SIZE,
        accuracy_level=INT8_ACTIVATIONS,
    )
