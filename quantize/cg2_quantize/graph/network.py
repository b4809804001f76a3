"""The network of each family as an ONNX graph, node by node."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import numpy as np
from onnx import TensorProto, helper

from cg2_quantize.formats.matrix_writer import add_bias
from cg2_quantize.graph.attention import AttentionBuilder, KvScales
from cg2_quantize.graph.builder import MICROSOFT
from cg2_quantize.graph.graph_weights import QKV
from cg2ls.models.codegen2.config import CODEGEN2, CODEGEN25, LLAMA, QWEN2
from cg2ls.models.graph_io import (
    INPUT_IDS,
    LOGITS,
    LOGITS_POSITIONS,
    SEQLENS_K,
    TOTAL_SEQUENCE_LENGTH,
    all_past_names,
    all_present_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onnx import ModelProto, ValueInfoProto

    from cg2_quantize.formats import Format
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder
    from cg2_quantize.graph.graph_weights import GraphWeights
    from cg2ls.models.codegen2 import CodeGenConfig


class Calibrated(KvScales, Protocol):
    """Results of a calibration.

    Attributes:
        inputs: returns a product's inputs [tokens, channels], layer by layer in order; None if not measured.
    """

    @property
    def inputs(self) -> Callable[[str], Float32] | None:
        """See the class."""


def block_input_names(layer: int) -> tuple[str, str]:
    """Return the names of a block's two inputs: the normed value and the residual."""
    return f"/model/layers.{layer}/ln_1/output", f"/model/layers.{layer}/residual"


HEAD_INPUT = "/model/ln_f/output"
"""Name of the head's input."""


class NetworkBuilder(ABC):
    """Writer of a network's parts into a graph; weights are read, rounded and written one at a time.

    The last block computes queries, MLP and head only at positions that get logits.

    Args:
        config: shapes.
        weights: weights of the checkpoint.
        chosen: the format.
        graph: empty; its float type is the format's.
        calibration: needed for an int8 cache, and for a calibrated format.
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
        self._matrices = chosen.make_matrix_writer(None if calibration is None else calibration.inputs)
        self._portable = chosen.portable
        self._attention = AttentionBuilder(
            config, chosen, graph, calibration if chosen.kv == "int8" else None
        )

    @abstractmethod
    def block(self, layer: int) -> None:
        """Add a block and the norm after it; the results are named as the next block's inputs, or `HEAD_INPUT`."""

    @abstractmethod
    def _add_norm(self, path: str, x: str, normed: str) -> None:
        """Add the norm at `path` of `x`; its result is called `normed`."""

    def embed(self) -> None:
        """Add the token embedding and the first block's norm."""
        normed, residual = block_input_names(0)
        path = "/model/embed_tokens"
        rows = self._matrices.embedding(self._graph, path, INPUT_IDS, self._weights.embedding())
        self._graph.node("Identity", f"{path}/residual", [rows], outputs=[residual])
        self._add_norm("/model/layers.0/ln_1", residual, normed)

    def head(self) -> None:
        """Add the output head; its logits are always float32."""
        bias = self._weights.head_bias()
        logits = self._matrices.head(self._graph, "/lm_head", HEAD_INPUT, self._weights.head(), bias)
        if self._graph.float_type == TensorProto.FLOAT:
            self._graph.node("Identity", "/logits", [logits], outputs=[LOGITS])
        else:
            self._graph.node("Cast", "/logits", [logits], outputs=[LOGITS], to=TensorProto.FLOAT)

    def _attend(self, layer: int, normed: str) -> str:
        """Add the attention of a block, before its output matrix."""
        packed = self._multiply(layer, QKV, normed, self._weights.qkv_bias(layer))
        return self._attention.emit(layer, f"/model/layers.{layer}/attn", packed)

    def _multiply(self, layer: int, name: str, x: str, bias: Float32 | None = None) -> str:
        """Add the product of x and a matrix of the block, such as "mlp.fc_in", and a bias where there is one."""
        path = f"/model/layers.{layer}/{name.replace('.', '/')}"
        graph, weight = self._graph, self._weights.matrix(layer, name)
        return add_bias(graph, path, self._matrices.linear(graph, path, x, weight), bias)

    def _is_last(self, layer: int) -> bool:
        return layer == self._config.n_layer - 1

    def _select_wanted(self, layer: int, name: str, value: str) -> str:
        """Add the selection of a value's positions that get logits."""
        path = f"/model/layers.{layer}/{name}/wanted"
        return self._graph.node("Gather", path, [value, LOGITS_POSITIONS], axis=1)

    def _output_names(self, layer: int) -> tuple[str, str]:
        """Return the names of the normed and the plain sum after a block; the last block needs no plain sum."""
        return (HEAD_INPUT, "") if self._is_last(layer) else block_input_names(layer + 1)


class ParallelNetwork(NetworkBuilder):
    """CodeGen2's network: attention and MLP in parallel after one layer norm, x + attention(n) + mlp(n)."""

    def block(self, layer: int) -> None:
        """See `NetworkBuilder`."""
        normed, residual = block_input_names(layer)
        attended = self._attend(layer, normed)
        if self._is_last(layer):
            attended, normed, residual = (
                self._select_wanted(layer, name, value)
                for name, value in (("attn", attended), ("ln_1", normed), ("residual", residual))
            )
        projected = self._multiply(layer, "attn.out_proj", attended)
        widened = self._multiply(layer, "mlp.fc_in", normed)
        narrowed = self._multiply(layer, "mlp.fc_out", self._add_gelu(layer, widened))
        both = self._graph.node("Add", f"/model/layers.{layer}", [projected, narrowed])
        self._add_and_norm(layer, both, residual)

    @staticmethod
    def product_inputs(layer: int) -> dict[str, str]:
        """Return the paths of a block's products, and the values they multiply, in the fp32 graph."""
        path, normed = f"/model/layers.{layer}", block_input_names(layer)[0]
        return {
            f"{path}/attn/qkv_proj": normed,
            f"{path}/mlp/fc_in": normed,
            f"{path}/attn/out_proj": f"{path}/attn/GroupQueryAttention/output",
            f"{path}/mlp/fc_out": f"{path}/mlp/FastGelu/output",
        }

    def _add_gelu(self, layer: int, widened: str) -> str:
        graph, path = self._graph, f"/model/layers.{layer}/mlp"
        bias = self._add_bias(layer, "mlp.fc_in.bias")
        if self._portable:
            return graph.node("Gelu", path, [graph.node("Add", path, [widened, bias])], approximate="tanh")
        return graph.node("FastGelu", path, [widened, bias], domain=MICROSOFT)

    def _add_and_norm(self, layer: int, both: str, residual: str) -> None:
        """Add the residual sum of the block with fc_out's bias, and its norm."""
        graph, (normed, total) = self._graph, self._output_names(layer)
        path, bias = normed.removesuffix("/output"), self._add_bias(layer, "mlp.fc_out.bias")
        if self._portable:
            summed = graph.node("Add", f"{path}/residual", [both, residual])
            total = total or f"{path}/residual/sum"
            graph.node("Add", f"{path}/bias", [summed, bias], outputs=[total])
            self._add_norm(path, total, normed)
            return
        graph.node(
            "SkipLayerNormalization",
            path,
            [both, residual, *self._add_norm_constants(path), bias],
            domain=MICROSOFT,
            outputs=[normed, "", "", total] if total else [normed],
            epsilon=self._config.layer_norm_epsilon,
        )

    def _add_norm(self, path: str, x: str, normed: str) -> None:
        self._graph.node(
            "LayerNormalization",
            path,
            [x, *self._add_norm_constants(path)],
            outputs=[normed],
            axis=-1,
            epsilon=self._config.layer_norm_epsilon,
        )

    def _add_norm_constants(self, path: str) -> list[str]:
        """Add scale and shift of a layer norm; return their names."""
        name = path.strip("/").replace("/", ".")
        parts = zip(("weight", "bias"), self._weights.norm(name), strict=True)
        return [
            self._graph.constant(f"{name}.{part}", values) for part, values in parts if values is not None
        ]

    def _add_bias(self, layer: int, name: str) -> str:
        name = f"model.layers.{layer}.{name}"
        return self._graph.constant(name, self._weights.vector(name))


class SequentialNetwork(NetworkBuilder):
    """The network of Llama, CodeGen2.5 and Qwen2: y = x + attention(norm(x)), then y + mlp(norm(y)), with RMS norms.

    RMS norm: Zhang and Sennrich 2019, arXiv 1910.07467. Gated MLP, silu(gate) * up: Shazeer 2020, arXiv 2002.05202.
    """

    def block(self, layer: int) -> None:
        """See `NetworkBuilder`."""
        path = f"/model/layers.{layer}"
        normed, residual = block_input_names(layer)
        attended = self._attend(layer, normed)
        if self._is_last(layer):
            attended = self._select_wanted(layer, "attn", attended)
            residual = self._select_wanted(layer, "residual", residual)
        projected = self._multiply(layer, "attn.out_proj", attended)
        between = f"{path}/ln_2/output", f"{path}/attn/residual"
        self._add_and_norm(f"{path}/ln_2", projected, residual, *between)
        narrowed = self._multiply(layer, "mlp.down_proj", self._add_gated_mlp(layer, between[0]))
        normed, total = self._output_names(layer)
        self._add_and_norm(normed.removesuffix("/output"), narrowed, between[1], normed, total)

    @staticmethod
    def product_inputs(layer: int) -> dict[str, str]:
        """Return the paths of a block's products, and the values they multiply, in the fp32 graph."""
        path = f"/model/layers.{layer}"
        return {
            f"{path}/attn/qkv_proj": block_input_names(layer)[0],
            f"{path}/attn/out_proj": f"{path}/attn/GroupQueryAttention/output",
            f"{path}/mlp/gate_proj": f"{path}/ln_2/output",
            f"{path}/mlp/up_proj": f"{path}/ln_2/output",
            f"{path}/mlp/down_proj": f"{path}/mlp/Mul/output",
        }

    def _add_gated_mlp(self, layer: int, normed: str) -> str:
        graph, path = self._graph, f"/model/layers.{layer}/mlp"
        gate = self._multiply(layer, "mlp.gate_proj", normed)
        open_ = graph.node("Sigmoid", f"{path}/gate", [gate])
        silu = graph.node("Mul", f"{path}/gate", [gate, open_])
        return graph.node("Mul", path, [silu, self._multiply(layer, "mlp.up_proj", normed)])

    def _add_and_norm(self, path: str, new: str, residual: str, normed: str, total: str) -> None:
        """Add the sum, called `total`, and its norm; the last sum is not used and has no name."""
        if self._portable:
            total = self._graph.node("Add", path, [new, residual], outputs=[total or f"{path}/sum"])
            self._add_norm(path, total, normed)
            return
        self._graph.node(
            "SkipSimplifiedLayerNormalization",
            path,
            [new, residual, self._add_scale(path)],
            domain=MICROSOFT,
            outputs=[normed, "", "", total] if total else [normed],
            epsilon=self._config.layer_norm_epsilon,
        )

    def _add_norm(self, path: str, x: str, normed: str) -> None:
        graph, epsilon = self._graph, self._config.layer_norm_epsilon
        if not self._portable:
            op, inputs = "SimplifiedLayerNormalization", [x, self._add_scale(path)]
            graph.node(op, path, inputs, outputs=[normed], axis=-1, epsilon=epsilon)
            return
        square = graph.node("Mul", f"{path}/square", [x, x])
        mean = graph.node("ReduceMean", path, [square, graph.shared("axis.last", np.array([-1]))], keepdims=1)
        raised = graph.node(
            "Add", f"{path}/epsilon", [mean, graph.shared("norm.epsilon", np.float32(epsilon))]
        )
        unit = graph.node("Div", path, [x, graph.node("Sqrt", path, [raised])])
        graph.node("Mul", path, [unit, self._add_scale(path)], outputs=[normed])

    def _add_scale(self, path: str) -> str:
        name = path.strip("/").replace("/", ".")
        return self._graph.constant(f"{name}.weight", self._weights.norm(name)[0])


NETWORKS: dict[str, type[ParallelNetwork | SequentialNetwork]] = {
    CODEGEN2: ParallelNetwork,
    **dict.fromkeys((CODEGEN25, LLAMA, QWEN2), SequentialNetwork),
}
"""Networks by family."""


def build_graph(
    config: CodeGenConfig,
    weights: GraphWeights,
    chosen: Format,
    graph: GraphBuilder,
    calibration: Calibrated | None = None,
) -> ModelProto:
    """Build the whole model.

    Args:
        config: shapes.
        weights: weights of the checkpoint.
        chosen: the format.
        graph: empty; its float type is the format's.
        calibration: needed for an int8 cache, and for a calibrated format.
    """
    network = NETWORKS[config.family](config, weights, chosen, graph, calibration)
    network.embed()
    for layer in range(config.n_layer):
        network.block(layer)
    network.head()
    return graph.model(_inputs(config, chosen.kv), _outputs(config, chosen.kv))


def _inputs(config: CodeGenConfig, kv: str) -> list[ValueInfoProto]:
    value = helper.make_tensor_value_info
    return [
        value(INPUT_IDS, TensorProto.INT64, ["batch", "sequence"]),
        value(SEQLENS_K, TensorProto.INT32, ["batch"]),
        value(TOTAL_SEQUENCE_LENGTH, TensorProto.INT32, []),
        value(LOGITS_POSITIONS, TensorProto.INT64, ["positions"]),
        *_cache_entries(config, all_past_names(config.n_layer), kv),
    ]


def _outputs(config: CodeGenConfig, kv: str) -> list[ValueInfoProto]:
    logits: list[str | int | None] = ["batch", "positions", config.vocab_size]
    return [
        helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, logits),
        *_cache_entries(config, all_present_names(config.n_layer), kv),
    ]


def _cache_entries(config: CodeGenConfig, names: Sequence[str], kv: str) -> list[ValueInfoProto]:
    shape: list[str | int | None] = ["batch", config.kv_heads, "max_length", config.head_dim]
    element = KV_TYPES[kv]
    return [helper.make_tensor_value_info(name, element, shape) for name in names]


KV_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "int8": TensorProto.INT8,
}
"""ONNX's number of each cache's element type."""
