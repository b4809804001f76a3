"""The CodeGen2 network as an ONNX graph, node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from cg2_quantize.builder import MICROSOFT, GraphBuilder
from cg2ls.codegen2.config import ROTARY_BASE

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from cg2_quantize.precision import Precision
    from cg2_quantize.rounding import Float32
    from cg2_quantize.weights import NamedWeights
    from cg2ls.codegen2 import CodeGenConfig


def rotary_tables(config: CodeGenConfig) -> tuple[Float32, Float32]:
    """Cosine and sine [n_positions, rotary_dim / 2] (RoPE, Su et al. 2021, arXiv 2104.09864).

    Half the width of a head or less: GroupQueryAttention rotates as many channels as the tables name.
    """
    pairs = np.arange(0, config.rotary_dim, 2, dtype=np.float64)
    angles = np.arange(config.n_positions)[:, None] * ROTARY_BASE ** (-pairs / config.rotary_dim)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def build(
    config: CodeGenConfig, weights: NamedWeights, precision: Precision, graph: GraphBuilder
) -> ModelProto:
    """The whole model; weights are read, rounded and written one at a time.

    The last block computes query positions only where logits are asked for, all else only keys and values.
    """
    cos, sin = rotary_tables(config)
    tables = (graph.constant("model.rotary.cos", cos), graph.constant("model.rotary.sin", sin))
    residual = precision.embedding(graph, "/model/embed_tokens", "input_ids", weights.embedding())
    block = _Block(config, weights, precision, graph, tables)
    gamma, beta = block.norm_constants("/model/layers.0/ln_1", "transformer.h.0.ln_1")
    normed = graph.node(
        "LayerNormalization",
        "/model/layers.0/ln_1",
        [residual, gamma, beta],
        axis=-1,
        epsilon=config.layer_norm_epsilon,
    )
    for layer in range(config.n_layer):
        normed, residual = block.emit(layer, normed, residual)
    head = precision.head(graph, "/lm_head", normed, weights.head(), weights.vector("lm_head.bias"))
    graph.node("Identity", "/logits", [head], outputs=["logits"])
    return graph.model(_inputs(config), _outputs(config))


class _Block:
    """Writes the parallel blocks: x + attention(norm(x)) + mlp(norm(x))."""

    def __init__(
        self,
        config: CodeGenConfig,
        weights: NamedWeights,
        precision: Precision,
        graph: GraphBuilder,
        tables: tuple[str, str],
    ) -> None:
        self._config, self._weights, self._precision, self._graph = config, weights, precision, graph
        self._tables = tables

    def emit(self, layer: int, normed: str, residual: str) -> tuple[str, str]:
        """Block `layer`, and the norm after it; returns the new normed value and residual."""
        path = f"/model/layers.{layer}"
        last = layer == self._config.n_layer - 1
        attended = self._attention(layer, f"{path}/attn", normed)
        if last:
            attended, normed, residual = (
                self._wanted(f"{path}/{name}", value)
                for name, value in (("attn", attended), ("ln_1", normed), ("residual", residual))
            )
        projected = self._linear(f"{path}/attn/out_proj", attended, self._weights.out_proj(layer))
        widened = self._linear(f"{path}/mlp/fc_in", normed, self._weights.fc_in(layer))
        bias = self._constant(f"model.layers.{layer}.mlp.fc_in.bias", f"transformer.h.{layer}.mlp.fc_in.bias")
        active = self._graph.node("FastGelu", f"{path}/mlp", [widened, bias], domain=MICROSOFT)
        narrowed = self._linear(f"{path}/mlp/fc_out", active, self._weights.fc_out(layer))
        both = self._graph.node("Add", path, [projected, narrowed])
        after = (
            ("/model/ln_f", "transformer.ln_f")
            if last
            else (
                f"/model/layers.{layer + 1}/ln_1",
                f"transformer.h.{layer + 1}.ln_1",
            )
        )
        return self._add_and_norm(layer, both, residual, *after)

    def norm_constants(self, path: str, source: str) -> tuple[str, str]:
        """Scale and shift of a layer norm."""
        name = path.strip("/").replace("/", ".")
        gamma, beta = self._weights.norm(source)
        return self._graph.constant(f"{name}.weight", gamma), self._graph.constant(f"{name}.bias", beta)

    def _attention(self, layer: int, path: str, normed: str) -> str:
        config = self._config
        packed = self._linear(f"{path}/qkv_proj", normed, self._weights.qkv(layer))
        past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
        present = [f"present.{layer}.key", f"present.{layer}.value"]
        return self._graph.node(
            "GroupQueryAttention",
            path,
            [packed, "", "", *past, "seqlens_k", "total_sequence_length", *self._tables],
            domain=MICROSOFT,
            outputs=[f"{path}/GroupQueryAttention/output", *present],
            num_heads=config.n_head,
            kv_num_heads=config.n_head,
            do_rotary=1,
            rotary_interleaved=1,
        )

    def _add_and_norm(self, layer: int, both: str, residual: str, path: str, source: str) -> tuple[str, str]:
        """Residual sum of block `layer` with fc_out's bias, and the norm that follows it."""
        gamma, beta = self.norm_constants(path, source)
        bias = self._constant(
            f"model.layers.{layer}.mlp.fc_out.bias", f"transformer.h.{layer}.mlp.fc_out.bias"
        )
        outputs = [f"{path}/output", "", "", f"{path}/residual"]
        if source == "transformer.ln_f":
            outputs = outputs[:1]
        normed = self._graph.node(
            "SkipLayerNormalization",
            path,
            [both, residual, gamma, beta, bias],
            domain=MICROSOFT,
            outputs=outputs,
            epsilon=self._config.layer_norm_epsilon,
        )
        return normed, f"{path}/residual"

    def _wanted(self, path: str, value: str) -> str:
        return self._graph.node("Gather", f"{path}/wanted", [value, "logits_positions"], axis=1)

    def _linear(self, path: str, x: str, weight: Float32) -> str:
        return self._precision.linear(self._graph, path, x, weight)

    def _constant(self, name: str, source: str) -> str:
        return self._graph.constant(name, self._weights.vector(source))


def _inputs(config: CodeGenConfig) -> list[ValueInfoProto]:
    value, float32 = helper.make_tensor_value_info, TensorProto.FLOAT
    cache = _cache_shape(config)
    return [
        value("input_ids", TensorProto.INT64, ["batch", "sequence"]),
        value("seqlens_k", TensorProto.INT32, ["batch"]),
        value("total_sequence_length", TensorProto.INT32, []),
        value("logits_positions", TensorProto.INT64, ["positions"]),
        *(
            value(f"past_key_values.{layer}.{part}", float32, cache)
            for layer in range(config.n_layer)
            for part in ("key", "value")
        ),
    ]


def _outputs(config: CodeGenConfig) -> list[ValueInfoProto]:
    value, float32 = helper.make_tensor_value_info, TensorProto.FLOAT
    cache = _cache_shape(config)
    return [
        value("logits", float32, ["batch", "positions", config.vocab_size]),
        *(
            value(f"present.{layer}.{part}", float32, cache)
            for layer in range(config.n_layer)
            for part in ("key", "value")
        ),
    ]


def _cache_shape(config: CodeGenConfig) -> list[str | int | None]:
    return ["batch", config.n_head, "max_length", config.head_dim]
