"""int8 for processors: integer products, activations rounded row by row when the graph runs.

One scale for a whole call (DynamicQuantizeLinear) would make a token's result depend on which others share the call.
ONNX Runtime's fast integer product takes one scale only. So a row is divided by its largest value before rounding,
and its product is multiplied by that value again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.formats.matrix_writer import add_bias, tensor_name
from cg2_quantize.formats.rounding import round_int8
from cg2_quantize.graph.builder import MICROSOFT

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder

GELU_MIN = 0.1701
"""Minus a lower bound of GELU (tanh form), whose minimum is -0.17005."""

GELU_ZERO = 32
"""uint8 level of 0 after GELU: 223 levels above, 32 below.

A row whose largest value is under 1.19 has the scale of 1.19, so that values below zero still fit. Zero levels from 20
to 64 were measured to be equally good."""


@dataclass(frozen=True)
class RoundedRows:
    """Names of values in the graph: x = (levels - zero_point) * step * scale.

    Attributes:
        levels: uint8, of the shape of x.
        step: float32 [], a constant.
        zero_point: uint8 [], a constant.
        scale: float32 [..., 1], a value per row.
    """

    levels: str
    step: str
    zero_point: str
    scale: str


def round_rows(graph: GraphBuilder, x: str, *, after_gelu: bool = False) -> RoundedRows:
    """Round the rows of x; products that share an x share the nodes.

    Args:
        graph: the graph to add to.
        x: name of a float32 value.
        after_gelu: whether x is the output of a GELU, which has few values below zero.
    """
    return graph.once(f"{x} rounded", lambda: _round(graph, x, after_gelu))


def _round(graph: GraphBuilder, x: str, after_gelu: bool) -> RoundedRows:
    path = f"{x.removesuffix('/output')}/rounded"
    zero, step = (GELU_ZERO, 1 / (255 - GELU_ZERO)) if after_gelu else (128, 1 / 127)
    largest = x if after_gelu else graph.node("Abs", path, [x])
    scale = graph.node("ReduceMax", path, [largest, graph.shared("axis.last", np.array([-1]))], keepdims=1)
    if after_gelu:
        scale = graph.node("Max", path, [scale, graph.shared("scale.least", np.float32(_min_gelu_scale()))])
    # A row of zeros is divided by zero. Its levels do not matter, since their product is multiplied by zero again.
    unit = graph.node("Div", path, [x, scale])
    step_name = graph.shared(f"step.{zero}", np.float32(step))
    zero_name = graph.shared(f"zero_point.{zero}", np.uint8(zero))
    levels = graph.node("QuantizeLinear", path, [unit, step_name, zero_name])
    return RoundedRows(levels, step_name, zero_name, scale)


def _min_gelu_scale() -> float:
    return GELU_MIN * (255 - GELU_ZERO) / GELU_ZERO


class Int8:
    """Eight bits with a scale per output, in ONNX Runtime's fused operator or, if `portable`, in standard ones.

    CUDA has no kernel for these products: ONNX Runtime would run them on the host (its issue 7745).
    """

    moves_norms = True

    def __init__(self, *, portable: bool = False) -> None:
        self._portable = portable

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `MatrixWriter`."""
        rounded, scale = round_int8(weight, axis=0)
        matrix = graph.constant(tensor_name(path, "weight_int8"), rounded)
        scales = graph.constant(tensor_name(path, "weight_scale"), scale[0])
        rows = round_rows(graph, x, after_gelu=x.endswith("Gelu/output"))
        if self._portable:
            sums = graph.node("MatMulInteger", path, [rows.levels, matrix, rows.zero_point])
            product = graph.node("Cast", path, [sums], to=1)
            columns = graph.node("Mul", f"{path}/columns", [scales, rows.step])
            product = graph.node("Mul", f"{path}/scaled", [product, columns])
        else:
            inputs = [rows.levels, matrix, rows.step, scales, rows.zero_point, ""]
            product = graph.node("MatMulIntegerToFloat", path, inputs, domain=MICROSOFT)
        return graph.node("Mul", path, [product, rows.scale])

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """See `MatrixWriter`."""
        return add_bias(graph, path, self.linear(graph, path, x, weight), bias)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """Return rows of an int8 table with a scale each, in standard operators."""
        rounded, scale = round_int8(table, axis=1)
        levels = graph.constant(tensor_name(path, "weight_int8"), rounded)
        scales = graph.constant(tensor_name(path, "weight_scale"), scale)
        rows = graph.node("Gather", f"{path}/rows", [levels, ids])
        widened = graph.node("Cast", path, [rows], to=graph.float_type)
        return graph.node("Mul", path, [widened, graph.node("Gather", f"{path}/scales", [scales, ids])])
