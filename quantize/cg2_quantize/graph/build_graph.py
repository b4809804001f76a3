"""The network as an ONNX graph, node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto, helper

from cg2_quantize.graph.parallel_network import ParallelNetwork
from cg2_quantize.graph.sequential_network import SequentialNetwork
from cg2ls.models.codegen2.config import CODEGEN2, CODEGEN25
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
    from collections.abc import Sequence

    from onnx import ModelProto, ValueInfoProto

    from cg2_quantize.formats import Format
    from cg2_quantize.graph.builder import GraphBuilder
    from cg2_quantize.graph.graph_weights import GraphWeights
    from cg2_quantize.graph.network import Calibrated
    from cg2ls.models.codegen2 import CodeGenConfig

NETWORKS: dict[str, type[ParallelNetwork | SequentialNetwork]] = {
    CODEGEN2: ParallelNetwork,
    CODEGEN25: SequentialNetwork,
}
"""By family."""


def build(
    config: CodeGenConfig,
    weights: GraphWeights,
    chosen: Format,
    graph: GraphBuilder,
    calibration: Calibrated | None = None,
) -> ModelProto:
    """The whole model.

    Args:
        config: shapes.
        weights: of the checkpoint.
        chosen: the format.
        graph: empty; its float type is the format's.
        calibration: for an int8 cache, and for a calibrated format.
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
        *_caches(config, all_past_names(config.n_layer), kv),
    ]


def _outputs(config: CodeGenConfig, kv: str) -> list[ValueInfoProto]:
    logits: list[str | int | None] = ["batch", "positions", config.vocab_size]
    return [
        helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, logits),
        *_caches(config, all_present_names(config.n_layer), kv),
    ]


def _caches(config: CodeGenConfig, names: Sequence[str], kv: str) -> list[ValueInfoProto]:
    shape: list[str | int | None] = ["batch", config.n_head, "max_length", config.head_dim]
    element = KV_TYPES[kv]
    return [helper.make_tensor_value_info(name, element, shape) for name in names]


KV_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "int8": TensorProto.INT8,
}
"""ONNX's number of a cache's element type."""
