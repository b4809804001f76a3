"""The float32 network of a checkpoint, its weights read when a piece needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from cg2_quantize import graph
from cg2_quantize.builder import GraphBuilder
from cg2_quantize.formats import format_of
from cg2_quantize.proof.pieces import Network
from cg2_quantize.weights import NamedWeights

if TYPE_CHECKING:
    import numpy.typing as npt

    from cg2_quantize.rounding import Float32
    from cg2ls.codegen2 import Checkpoint

LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


def reference_network(checkpoint: Checkpoint) -> Network:
    """The network that every format is measured against."""
    outside = _Outside()
    config = checkpoint.config
    skeleton = graph.build(config, _Unread(checkpoint), format_of("fp32"), GraphBuilder(outside))
    read = _Reader(NamedWeights(checkpoint), outside.kept)
    return Network(skeleton, read.weight, config.n_layer)


@dataclass(frozen=True)
class _Reader:
    weights: NamedWeights
    kept: dict[str, npt.NDArray[Any]]

    def weight(self, name: str) -> npt.NDArray[Any]:
        """An initializer of the fp32 graph."""
        if name in self.kept:
            return self.kept[name]
        if match := LAYER.fullmatch(name):
            return self._of_layer(int(match[1]), match[2])
        plain = {"model.embed_tokens.weight": self.weights.embedding, "lm_head.weight": self.weights.head}
        if name in plain:
            return plain[name]()
        return self.weights.vector(name.replace("model.ln_f", "transformer.ln_f"))

    def _of_layer(self, layer: int, name: str) -> npt.NDArray[Any]:
        matrices = {
            "attn.qkv_proj.weight": self.weights.qkv,
            "attn.out_proj.weight": self.weights.out_proj,
            "mlp.fc_in.weight": self.weights.fc_in,
            "mlp.fc_out.weight": self.weights.fc_out,
        }
        return (
            matrices[name](layer)
            if name in matrices
            else self.weights.vector(f"transformer.h.{layer}.{name}")
        )


@dataclass
class _Outside:
    """Says of every initializer that it is elsewhere; keeps those that do not come from the checkpoint."""

    kept: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        element = helper.np_dtype_to_tensor_dtype(values.dtype)
        if any(values.strides) or values.size == 1:
            self.kept[name] = values
        tensor = TensorProto(name=name, data_type=element, dims=values.shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="elsewhere")
        return tensor


class _Unread(NamedWeights):
    """Shapes without values."""

    def embedding(self) -> Float32:
        return _shape(self.checkpoint.config.vocab_size, self.checkpoint.config.n_embd)

    def head(self) -> Float32:
        return self.embedding().T

    def qkv(self, layer: int) -> Float32:  # noqa: ARG002  all layers have one shape
        return _shape(self.checkpoint.config.n_embd, 3 * self.checkpoint.config.n_embd)

    def out_proj(self, layer: int) -> Float32:  # noqa: ARG002
        return _shape(self.checkpoint.config.n_embd, self.checkpoint.config.n_embd)

    def fc_in(self, layer: int) -> Float32:  # noqa: ARG002
        return _shape(self.checkpoint.config.n_embd, self.checkpoint.config.n_inner)

    def fc_out(self, layer: int) -> Float32:  # noqa: ARG002
        return _shape(self.checkpoint.config.n_inner, self.checkpoint.config.n_embd)

    def norm(self, name: str) -> tuple[Float32, Float32]:
        return self.vector(f"{name}.weight"), self.vector(f"{name}.bias")

    def vector(self, name: str) -> Float32:
        config = self.checkpoint.config
        widths = {"lm_head.bias": config.vocab_size}
        return _shape(config.n_inner if name.endswith("fc_in.bias") else widths.get(name, config.n_embd))


def _shape(*shape: int) -> Float32:
    return np.broadcast_to(np.float32(0), shape)
