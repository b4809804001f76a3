"""int8 for processors: integer products, activations rounded row by row as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2_quantize.formats.protocol import tensor_name, with_bias
from cg2_quantize.formats.rounding import round_int8
from cg2_quantize.graph.builder import MICROSOFT
from cg2_quantize.graph.rounded_activations import rounded_rows

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder


class Int8:
    """Eight bits with a scale per output, behind ONNX Runtime's fused operator or, `portable`, standard ones.

    There is no CUDA kernel for these products: ONNX Runtime would run them on the host (its issue 7745).
    """

    moves_norms = True

    def __init__(self, *, portable: bool = False) -> None:
        self._portable = portable

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `Precision`."""
        rounded, scale = round_int8(weight, axis=0)
        matrix = graph.constant(tensor_name(path, "weight_int8"), rounded)
        scales = graph.constant(tensor_name(path, "weight_scale"), scale[0])
        rows = rounded_rows(graph, x, after_gelu=x.endswith("Gelu/output"))
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
        """See `Precision`."""
        return with_bias(graph, path, self.linear(graph, path, x, weight), bias)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `Precision`; rows of an int8 table with a scale each, in standard operators."""
        rounded, scale = round_int8(table, axis=1)
        levels = graph.constant(tensor_name(path, "weight_int8"), rounded)
        scales = graph.constant(tensor_name(path, "weight_scale"), scale)
        rows = graph.node("Gather", f"{path}/rows", [levels, ids])
        widened = graph.node("Cast", path, [rows], to=graph.float_type)
        return graph.node("Mul", path, [widened, graph.node("Gather", f"{path}/scales", [scales, ids])])
