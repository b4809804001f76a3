"""The CodeGen2 network as an ONNX graph, node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from onnx import TensorProto, helper

from cg2_quantize.attention import Attention, KvScales
from cg2_quantize.builder import MICROSOFT, GraphBuilder

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from cg2_quantize.formats import Format
    from cg2_quantize.rounding import Float32
    from cg2_quantize.weights import NamedWeights
    from cg2ls.codegen2 import CodeGenConfig


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


def build(
    config: CodeGenConfig,
    weights: NamedWeights,
    chosen: Format,
    graph: GraphBuilder,
    calibration: Calibrated | None = None,
) -> ModelProto:
    """The whole model; weights are read, rounded and written one at a time.

    The last block computes query positions only where logits are asked for, all else only keys and values.

    Args:
        config: shapes.
        weights: of the checkpoint.
        chosen: the format.
        graph: empty; its float type is the format's.
        calibration: for an int8 cache, and for a calibrated format.
    """
    network = _Network(config, weights, chosen, graph, calibration)
    network.embed()
    for layer in range(config.n_layer):
        network.block(layer)
    network.head()
    return graph.model(_inputs(config, chosen.kv), _outputs(config, chosen.kv))


class _Network:
    """Writes the parts: x + attention(norm(x)) + mlp(norm(x)) in each block."""

    def __init__(
        self,
        config: CodeGenConfig,
        weights: NamedWeights,
        chosen: Format,
        graph: GraphBuilder,
        calibration: Calibrated | None,
    ) -> None:
        self._config, self._weights, self._graph = config, weights, graph
        energy = calibration.energy if calibration is not None and chosen.calibrated else {}
        self._precision = chosen.precision_for(weights.importance(energy))
        self._portable = chosen.portable
        self._attention = Attention(config, chosen, graph, calibration if chosen.kv == "int8" else None)

    def embed(self) -> None:
        """Token embedding and the first block's norm."""
        normed, residual = before_block(0)
        rows = self._precision.embedding(
            self._graph, "/model/embed_tokens", "input_ids", self._weights.embedding()
        )
        self._graph.node("Identity", "/model/embed_tokens/residual", [rows], outputs=[residual])
        self._norm("/model/layers.0/ln_1", "transformer.h.0.ln_1", residual, normed)

    def block(self, layer: int) -> None:
        """Block `layer` and the norm behind it."""
        graph, path = self._graph, f"/model/layers.{layer}"
        normed, residual = before_block(layer)
        packed = self._linear(f"{path}/attn/qkv_proj", normed, self._weights.qkv(layer))
        attended = self._attention.emit(layer, f"{path}/attn", packed)
        last = layer == self._config.n_layer - 1
        if last:
            attended, normed, residual = (
                graph.node("Gather", f"{path}/{name}/wanted", [value, "logits_positions"], axis=1)
                for name, value in (("attn", attended), ("ln_1", normed), ("residual", residual))
            )
        projected = self._linear(f"{path}/attn/out_proj", attended, self._weights.out_proj(layer))
        widened = self._linear(f"{path}/mlp/fc_in", normed, self._weights.fc_in(layer))
        narrowed = self._linear(f"{path}/mlp/fc_out", self._gelu(layer, widened), self._weights.fc_out(layer))
        both = graph.node("Add", path, [projected, narrowed])
        if last:
            self._add_and_norm(layer, both, residual, "transformer.ln_f", NORMED_END, "")
        else:
            self._add_and_norm(
                layer, both, residual, f"transformer.h.{layer + 1}.ln_1", *before_block(layer + 1)
            )

    def head(self) -> None:
        """Logits, always float32."""
        bias = self._weights.vector("lm_head.bias")
        logits = self._precision.head(self._graph, "/lm_head", NORMED_END, self._weights.head(), bias)
        self._graph.node("Cast", "/logits", [logits], outputs=["logits"], to=TensorProto.FLOAT)

    def _gelu(self, layer: int, widened: str) -> str:
        graph, path = self._graph, f"/model/layers.{layer}/mlp"
        bias = self._constant(f"model.layers.{layer}.mlp.fc_in.bias", f"transformer.h.{layer}.mlp.fc_in.bias")
        if self._portable:
            return graph.node("Gelu", path, [graph.node("Add", path, [widened, bias])], approximate="tanh")
        return graph.node("FastGelu", path, [widened, bias], domain=MICROSOFT)

    def _add_and_norm(
        self, layer: int, both: str, residual: str, source: str, normed: str, total: str
    ) -> None:
        """Residual sum of block `layer` with fc_out's bias, called `total`, and the norm of it."""
        graph, path = self._graph, normed.removesuffix("/output")
        bias = self._constant(
            f"model.layers.{layer}.mlp.fc_out.bias", f"transformer.h.{layer}.mlp.fc_out.bias"
        )
        if self._portable:
            summed = graph.node("Add", f"{path}/residual", [both, residual])
            total = total or f"{path}/residual/sum"
            graph.node("Add", f"{path}/bias", [summed, bias], outputs=[total])
            self._norm(path, source, total, normed)
            return
        graph.node(
            "SkipLayerNormalization",
            path,
            [both, residual, *self._norm_constants(path, source), bias],
            domain=MICROSOFT,
            outputs=[normed, "", "", total] if total else [normed],
            epsilon=self._config.layer_norm_epsilon,
        )

    def _norm(self, path: str, source: str, x: str, normed: str) -> None:
        self._graph.node(
            "LayerNormalization",
            path,
            [x, *self._norm_constants(path, source)],
            outputs=[normed],
            axis=-1,
            epsilon=self._config.layer_norm_epsilon,
        )

    def _norm_constants(self, path: str, source: str) -> tuple[str, str]:
        """Scale and shift of a layer norm."""
        name = path.strip("/").replace("/", ".")
        gamma, beta = self._weights.norm(source)
        return self._graph.constant(f"{name}.weight", gamma), self._graph.constant(f"{name}.bias", beta)

    def _linear(self, path: str, x: str, weight: Float32) -> str:
        return self._precision.linear(self._graph, path, x, weight)

    def _constant(self, name: str, source: str) -> str:
        return self._graph.constant(name, self._weights.vector(source))


def _inputs(config: CodeGenConfig, kv: str) -> list[ValueInfoProto]:
    value = helper.make_tensor_value_info
    return [
        value("input_ids", TensorProto.INT64, ["batch", "sequence"]),
        value("seqlens_k", TensorProto.INT32, ["batch"]),
        value("total_sequence_length", TensorProto.INT32, []),
        value("logits_positions", TensorProto.INT64, ["positions"]),
        *_caches(config, "past_key_values", kv),
    ]


def _outputs(config: CodeGenConfig, kv: str) -> list[ValueInfoProto]:
    logits: list[str | int | None] = ["batch", "positions", config.vocab_size]
    return [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, logits),
        *_caches(config, "present", kv),
    ]


def _caches(config: CodeGenConfig, name: str, kv: str) -> list[ValueInfoProto]:
    shape: list[str | int | None] = ["batch", config.n_head, "max_length", config.head_dim]
    element = KV_TYPES[kv]
    return [
        helper.make_tensor_value_info(f"{name}.{layer}.{part}", element, shape)
        for layer in range(config.n_layer)
        for part in ("key", "value")
    ]


KV_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "int8": TensorProto.INT8,
}
"""ONNX's number of a cache's element type."""
