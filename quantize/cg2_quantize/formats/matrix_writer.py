"""The interface of a format's matrices, and its plain implementation: fp32, fp16, bf16."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder


class FormatError(QuantizeError):
    """A format whose options exclude each other, or that cannot be written."""


class MatrixWriter(Protocol):
    """Writer of matrices into a graph.

    Its methods return the name of the value they compute.

    Attributes:
        moves_norms: whether norms' scales move into the weights after them (see `GraphWeights`).
    """

    moves_norms: bool

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """Add the product `x` @ weight [inputs, outputs]; `path` is such as "/model/layers.0/mlp/fc_in"."""

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """Add the product with the output head, which may have a bias."""

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """Add the rows of table [vocabulary, n_embd] for `ids`, in the graph's float type."""


def tensor_name(path: str, part: str) -> str:
    """Name an initializer: "/model/layers.0/mlp/fc_in" and "bias" give "model.layers.0.mlp.fc_in.bias"."""
    return f"{path.strip('/').replace('/', '.')}.{part}"


def add_bias(graph: GraphBuilder, path: str, product: str, bias: Float32 | None) -> str:
    """Add a bias to a product where there is one; return the sum."""
    if bias is None:
        return product
    return graph.node("Add", path, [product, graph.constant(tensor_name(path, "bias"), bias)])


class Plain:
    """Plain products; in fp32 they have the checkpoint's own values."""

    moves_norms = False

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `MatrixWriter`."""
        return graph.node("MatMul", path, [x, graph.constant(tensor_name(path, "weight"), weight)])

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """See `MatrixWriter`."""
        return add_bias(graph, path, self.linear(graph, path, x, weight), bias)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `MatrixWriter`."""
        return graph.node("Gather", path, [graph.constant(tensor_name(path, "weight"), table), ids])
