"""What a precision must be able to write, and the plain one: fp32, fp16, bf16."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder


class FormatError(QuantizeError):
    """A format that cannot be written as asked."""


class MatrixWriter(Protocol):
    """Writes matrices into a graph.

    Attributes:
        moves_norms: whether norms' scales move into the weights behind them (see `GraphWeights`).
    """

    moves_norms: bool

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """`x` @ weight [inputs, outputs]; `path` such as "/model/layers.0/mlp/fc_in"."""

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """`linear` of the output head, which may have a bias."""

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """Rows of table [vocabulary, n_embd] as the graph's float type."""


def tensor_name(path: str, part: str) -> str:
    """Name of an initializer: "/model/layers.0/mlp/fc_in" and "bias" give "model.layers.0.mlp.fc_in.bias"."""
    return f"{path.strip('/').replace('/', '.')}.{part}"


def add_bias(graph: GraphBuilder, path: str, product: str, bias: Float32 | None) -> str:
    """The product and its bias."""
    if bias is None:
        return product
    return graph.node("Add", path, [product, graph.constant(tensor_name(path, "bias"), bias)])


class Plain:
    """Plain products; in fp32 the checkpoint's own values."""

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
