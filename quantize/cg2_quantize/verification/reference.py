"""The float32 network of a checkpoint; its weights are read when a piece needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from cg2_quantize.formats import select_format
from cg2_quantize.graph.builder import GraphBuilder
from cg2_quantize.graph.graph_weights import EMBEDDING, HEAD, QKV, GraphWeights
from cg2_quantize.graph.network import build_graph
from cg2_quantize.verification.piecewise import PiecewiseNetwork
from cg2ls.models.codegen2.checkpoint import tensor_shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import Checkpoint

LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


def build_reference_network(
    checkpoint: Checkpoint, shared: SharedWeights | None = None, *, moves_norms: bool = False
) -> PiecewiseNetwork:
    """Build the float32 network that every format is measured against.

    Args:
        checkpoint: the source of the weights.
        shared: weights shared with networks that read the same checkpoint in other numbers of groups.
        moves_norms: whether norms' scales move into the weights after them, as in some formats.
    """
    outside = _ExternalWriter()
    config = checkpoint.config
    skeleton = build_graph(config, _ShapesOnly(checkpoint), select_format("fp32"), GraphBuilder(outside))
    read = _Reader(GraphWeights(checkpoint, moves_norms=moves_norms), outside.kept, shared)
    return PiecewiseNetwork(skeleton, read.weight, config.n_layer)


@dataclass
class SharedWeights:
    """Weights of the part that several networks of one checkpoint are running, each read once."""

    part: str = ""
    read: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def weight(self, name: str, read: Callable[[str], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return a weight, read with `read` unless it is shared; weights of the previous part are dropped."""
        match = LAYER.fullmatch(name)
        if (part := match[1] if match else name.rpartition(".")[0]) != self.part:
            self.part, self.read = part, {}
        if name.endswith("qkv_proj.weight"):
            return read(name)
        if name not in self.read:
            self.read[name] = read(name)
        return self.read[name]


@dataclass(frozen=True)
class _Reader:
    weights: GraphWeights
    kept: dict[str, npt.NDArray[Any]]
    shared: SharedWeights | None = None

    def weight(self, name: str) -> npt.NDArray[Any]:
        """Return an initializer of the fp32 graph."""
        if name in self.kept:
            return self.kept[name]
        return self._read(name) if self.shared is None else self.shared.weight(name, self._read)

    def _read(self, name: str) -> npt.NDArray[Any]:
        ends = {f"{EMBEDDING}.weight": self.weights.embedding, f"{HEAD}.weight": self.weights.head}
        if name in ends:
            return ends[name]()
        match = LAYER.fullmatch(name)
        if match and match[2] == f"{QKV}.bias" and (bias := self.weights.qkv_bias(int(match[1]))) is not None:
            return bias
        if match and (matrix := match[2].removesuffix(".weight")) in _matrix_shapes(self.weights):
            return self.weights.matrix(int(match[1]), matrix)
        norm, _, part = name.rpartition(".")
        if self.weights.moves_norms and norm.rpartition(".")[2].startswith("ln_"):
            return self._norm(norm, part)
        return self.weights.vector(name)

    def _norm(self, norm: str, part: str) -> Float32:
        scale, shift = self.weights.norm(norm)
        return scale if part == "weight" or shift is None else shift


def _matrix_shapes(weights: GraphWeights) -> dict[str, tuple[int, int]]:
    return weights.layout.shapes(weights.checkpoint.config)


@dataclass
class _ExternalWriter:
    """Writer that marks every initializer as external; keeps those that do not come from the checkpoint."""

    kept: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        element = helper.np_dtype_to_tensor_dtype(values.dtype)
        if any(values.strides) or values.size == 1:
            self.kept[name] = values
        tensor = TensorProto(name=name, data_type=element, dims=values.shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="elsewhere")
        return tensor


class _ShapesOnly(GraphWeights):
    """Shapes without values."""

    def head(self) -> Float32:
        return self.embedding().T

    def matrix(self, layer: int, name: str) -> Float32:  # noqa: ARG002  all layers have one shape
        return np.broadcast_to(np.float32(0), _matrix_shapes(self)[name])

    def qkv_bias(self, layer: int) -> Float32 | None:  # noqa: ARG002  all layers have one shape
        config = self.checkpoint.config
        return np.broadcast_to(np.float32(0), (config.qkv_width,)) if config.has_qkv_bias else None

    def norm(self, name: str) -> tuple[Float32, Float32 | None]:
        shift = self.vector(f"{name}.bias") if self.layout.has_shifts else None
        return self.vector(f"{name}.weight"), shift

    def vector(self, name: str) -> Float32:
        shape = tensor_shapes(self.checkpoint.config)[self.layout.source(name)]
        return np.broadcast_to(np.float32(0), shape)
