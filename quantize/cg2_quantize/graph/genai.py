"""Files that onnxruntime-genai needs to run a model folder: a graph with an attention mask, and two configurations.

Its loop feeds input_ids and attention_mask, and reads logits of the last token. The graph written here first counts the
mask's tokens; then come the nodes of model.onnx. Its weights are in model.onnx.data too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cg2ls.engine.onnx_session import EXACT_SUMS
from cg2ls.jsontext import json_text
from cg2ls.models.folder.description import GRAPH, ModelDescription
from cg2ls.models.graph_io import (
    INPUT_IDS,
    LOGITS,
    LOGITS_POSITIONS,
    PAST,
    PRESENT,
    SEQLENS_K,
    TOTAL_SEQUENCE_LENGTH,
)

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto, NodeProto

GENAI_GRAPH = "genai.onnx"
GENAI_CONFIG = "genai_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

COUNTED_INPUTS = (SEQLENS_K, TOTAL_SEQUENCE_LENGTH, LOGITS_POSITIONS)
"""Inputs of our graph that follow from the mask and the token ids."""


def write_genai(folder: Path) -> None:
    """Add the files that onnxruntime-genai reads to a model folder; existing files stay unchanged."""
    model = ModelDescription.read(folder)
    graph = add_attention_mask(onnx.load(str(folder / GRAPH), load_external_data=False))
    (folder / GENAI_GRAPH).write_bytes(graph.SerializeToString(deterministic=True))
    for name, content in (
        (GENAI_CONFIG, make_genai_config(model)),
        (TOKENIZER_CONFIG, make_tokenizer_config(model)),
    ):
        (folder / name).write_text(json_text(content, indent=2) + "\n")


def add_attention_mask(model: ModelProto) -> ModelProto:
    """Replace the inputs `COUNTED_INPUTS` by attention_mask, int64 [1, tokens after the call]; return the model."""
    graph = model.graph
    for entry in [entry for entry in graph.input if entry.name in COUNTED_INPUTS]:
        graph.input.remove(entry)
    graph.input.append(
        helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total_length"])
    )
    one = numpy_helper.from_array(np.array([1], np.int64), "genai.one")
    graph.initializer.append(one)
    nodes = [*_make_counting_nodes(one.name), *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _make_counting_nodes(one: str) -> list[NodeProto]:
    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
        return helper.make_node(op, inputs, [output], name=f"/genai/{output}/{op}", **attributes)

    return [
        node("ReduceSum", ["attention_mask", one], "tokens", keepdims=0),
        node("Sub", ["tokens", one], "last"),
        node("Cast", ["last"], SEQLENS_K, to=TensorProto.INT32),
        node("ReduceMax", ["tokens"], "total", keepdims=0),
        node("Cast", ["total"], TOTAL_SEQUENCE_LENGTH, to=TensorProto.INT32),
        node("Shape", [INPUT_IDS], "length", start=1),
        node("Sub", ["length", one], LOGITS_POSITIONS),
    ]


def make_genai_config(model: ModelDescription) -> dict[str, Any]:
    """Return genai_config.json: names and shapes, greedy search, one buffer for past and present."""
    shape, tokens = model.architecture, model.tokens
    caches = {
        f"{name}_{part}_names": f"{prefix}.%d.{part}"
        for name, prefix in (("past", PAST), ("present", PRESENT))
        for part in ("key", "value")
    }
    return {
        "model": {
            "type": "decoder",
            "bos_token_id": tokens.end_of_text,
            "eos_token_id": [tokens.end_of_text, tokens.eom],
            "pad_token_id": tokens.end_of_text,
            "vocab_size": shape.vocab_size,
            "context_length": model.context_length,
            "decoder": {
                "filename": GENAI_GRAPH,
                "session_options": {"provider_options": []} | EXACT_SUMS,
                "num_hidden_layers": shape.n_layer,
                "num_attention_heads": shape.n_head,
                "num_key_value_heads": shape.kv_heads,
                "head_size": shape.head_dim,
                "hidden_size": shape.n_embd,
                "inputs": {"input_ids": INPUT_IDS, "attention_mask": "attention_mask"}
                | {name: value for name, value in caches.items() if name.startswith("past")},
                "outputs": {"logits": LOGITS}
                | {name: value for name, value in caches.items() if name.startswith("present")},
            },
        },
        "search": {
            "do_sample": False,
            "num_beams": 1,
            "max_length": model.context_length,
            "past_present_share_buffer": True,
        },
    }


def make_tokenizer_config(model: ModelDescription) -> dict[str, Any]:
    """Return tokenizer_config.json, from which genai knows how to read tokenizer.json."""
    return {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": model.context_length,
        "add_prefix_space": False,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
    }
