"""What the families' networks have in common: embedding, attention, head, and how parts are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from onnx import TensorProto

from cg2_quantize.graph.attention import Attention, KvScales
from cg2_quantize.graph.layouts import QKV
from cg2ls.models.graph_io import INPUT_IDS, LOGITS, LOGITS_POSITIONS

if TYPE_CHECKING:
    from cg2_quantize.formats import Format
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder
    from cg2_quantize.graph.graph_weights import GraphWeights
    from cg2ls.models.codegen2 import CodeGenConfig


class Calibrated(KvScales, Protocol):
    """What a calibration found.

    Attributes:
        energy: mean square of each input of a product, by the product's path.
    """

    energy: dict[str, Float32]


def before_block(layer: int) -> tuple[str, str]:
    """Names of the two values a block is given: the normed input and the residual."""
    return f"/model/layers.{layer}/ln_1/output", f"/model/layers.{layer}/residual"


NORMED_END = "/model/ln_f/output"
"""Name of the value the head is given."""


class Network(ABC):
    """Writes the parts of a network into a graph; weights are read, rounded and written one at a time.

    The last block computes query positions only where logits are asked for, all else only keys and values.

    Args:
        config: shapes.
        weights: of the checkpoint.
        chosen: the format.
        graph: empty; its float type is the format's.
        calibration: for an int8 cache, and for a calibrated format.
    """

    def __init__(
        self,
        config: CodeGenConfig,
        weights: GraphWeights,
        chosen: Format,
        graph: GraphBuilder,
        calibration: Calibrated | None,
    ) -> None:
        self._config, self._weights, self._graph = config, weights, graph
        energy = calibration.energy if calibration is not None and chosen.calibrated else {}
        self._precision = chosen.precision_for(weights.importance(energy))
        self._portable = chosen.portable
        self._attention = Attention(config, chosen, graph, calibration if chosen.kv == "int8" else None)

    @abstractmethod
    def block(self, layer: int) -> None:
        """Block `layer` and the norm behind it: from `before_block(layer)` to that of the next, or `NORMED_END`."""

    @abstractmethod
    def _norm(self, path: str, x: str, normed: str) -> None:
        """The norm at `path` of `x`, called `normed`."""

    def embed(self) -> None:
        """Token embedding and the first block's norm."""
        normed, residual = before_block(0)
        path = "/model/embed_tokens"
        rows = self._precision.embedding(self._graph, path, INPUT_IDS, self._weights.embedding())
        self._graph.node("Identity", f"{path}/residual", [rows], outputs=[residual])
        self._norm("/model/layers.0/ln_1", residual, normed)

    def head(self) -> None:
        """Logits, always float32."""
        bias = self._weights.head_bias()
        logits = self._precision.head(self._graph, "/lm_head", NORMED_END, self._weights.head(), bias)
        if self._graph.float_type == TensorProto.FLOAT:
            self._graph.node("Identity", "/logits", [logits], outputs=[LOGITS])
        else:
            self._graph.node("Cast", "/logits", [logits], outputs=[LOGITS], to=TensorProto.FLOAT)

    def _attended(self, layer: int, normed: str) -> str:
        """Attention of a block, before its output matrix."""
        packed = self._product(layer, QKV, normed)
        return self._attention.emit(layer, f"/model/layers.{layer}/attn", packed)

    def _product(self, layer: int, name: str, x: str) -> str:
        """The product of x and a matrix of the block, such as "mlp.fc_in"."""
        path = f"/model/layers.{layer}/{name.replace('.', '/')}"
        return self._precision.linear(self._graph, path, x, self._weights.matrix(layer, name))

    def _is_last(self, layer: int) -> bool:
        return layer == self._config.n_layer - 1

    def _wanted(self, layer: int, name: str, value: str) -> str:
        """The positions of a value that get logits."""
        path = f"/model/layers.{layer}/{name}/wanted"
        return self._graph.node("Gather", path, [value, LOGITS_POSITIONS], axis=1)

    def _behind(self, layer: int) -> tuple[str, str]:
        """Names of the normed and the plain sum behind a block; the last one's plain sum is not needed."""
        return (NORMED_END, "") if self._is_last(layer) else before_block(layer + 1)
