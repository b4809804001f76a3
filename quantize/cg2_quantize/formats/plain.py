"""Weights in the graph's own float type: fp32, fp16, bf16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2_quantize.formats.protocol import tensor_name, with_bias

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder


class Plain:
    """Plain products; in fp32 the checkpoint's own values."""

    moves_norms = False

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `Precision`."""
        return graph.node("MatMul", path, [x, graph.constant(tensor_name(path, "weight"), weight)])

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """See `Precision`."""
        return with_bias(graph, path, self.linear(graph, path, x, weight), bias)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `Precision`."""
        return graph.node("Gather", path, [graph.constant(tensor_name(path, "weight"), table), ids])
