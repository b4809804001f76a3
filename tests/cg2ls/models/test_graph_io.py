"""Every model folder's graph, made now or by 0.1.0, has the inputs and outputs of the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import load

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine.onnx_session import import_onnxruntime
from cg2ls.models.graph_io import (
    CALL_INPUTS,
    LOGITS,
    all_past_names,
    all_present_names,
    call_feeds,
    past_names,
)

OLD_FOLDER = Path(__file__).parents[2] / "data" / "models" / "made-by-0.1.0"


def names_of(folder: Path) -> tuple[list[str], list[str]]:
    graph = load(str(folder / "model.onnx"), load_external_data=False).graph
    return [entry.name for entry in graph.input], [entry.name for entry in graph.output]


def test_the_graph_made_by_0_1_0_has_the_contracts_names() -> None:
    inputs = ["input_ids", "seqlens_k", "total_sequence_length", "logits_positions"]
    past = ["past_key_values.0.key", "past_key_values.0.value"]
    assert names_of(OLD_FOLDER) == ([*inputs, *past], ["logits", "present.0.key", "present.0.value"])
    assert [*CALL_INPUTS, *past_names(0)] == [*inputs, *past]


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_graph_made_now_has_the_contracts_names_in_their_order(
    tiny_checkpoint: Path, tmp_path: Path, precision: str
) -> None:
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision=precision, name="m"))
    expected = [*CALL_INPUTS, *all_past_names(2)], [LOGITS, *all_present_names(2)]
    assert names_of(tmp_path / "model") == expected


def test_a_calls_feeds_give_logits_after_each_token_read_at_once_or_in_parts(tiny_model: Path) -> None:
    session = import_onnxruntime().InferenceSession(str(tiny_model / "model.onnx"))
    tokens = np.array([5, 9, 2, 77, 31], np.int64)
    empty = {name: np.zeros((1, 4, 64, 16), np.float32) for name in all_past_names(2)}
    outputs = [LOGITS, *all_present_names(2)]
    whole = session.run(outputs, call_feeds(tokens, 5) | empty)[0]
    first, *cache = session.run(outputs, call_feeds(tokens[:2], 2) | empty)
    rest = session.run(outputs, call_feeds(tokens[2:], 5) | dict(zip(empty, cache, strict=True)))[0]
    assert whole.shape == (1, 5, 512)
    assert np.allclose(np.concatenate([first, rest], axis=1), whole, atol=1e-4)
