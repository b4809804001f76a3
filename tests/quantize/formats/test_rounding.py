"""Errors of rounding, and that ONNX Runtime reads the blocks as written."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cg2_quantize.formats.blocks import add_block_linear
from cg2_quantize.formats.rounding import restore_blocks, restore_int8, round_blocks, round_int8
from cg2_quantize.graph.builder import ExternalWriter, GraphBuilder

matrices = st.builds(
    lambda rows, columns, scale, seed: (
        np.random.default_rng(seed).standard_t(4, (rows, columns)).astype(np.float32) * np.float32(scale)
    ),
    st.integers(1, 70),
    st.integers(1, 9),
    st.floats(1e-3, 1e3),
    st.integers(0, 1000),
)


@given(matrices, st.sampled_from([0, 1]))
@settings(max_examples=50, deadline=None)
def test_int8_is_off_by_half_a_step_at_most(values, axis):
    rounded, scale = round_int8(values, axis)
    assert np.all(np.abs(restore_int8(rounded, scale) - values) <= 0.5001 * scale)
    assert rounded.min() >= -127


@given(matrices)
@settings(max_examples=50, deadline=None)
def test_rounding_to_int8_twice_changes_nothing(values):
    once = restore_int8(*round_int8(values, 0))
    np.testing.assert_allclose(restore_int8(*round_int8(once, 0)), once, rtol=1e-6)


@given(matrices, st.sampled_from([4, 8]))
@settings(max_examples=50, deadline=None)
def test_blocks_keep_the_shape_and_most_of_the_values(values, bits):
    restored = restore_blocks(round_blocks(values, bits=bits, block_size=16))
    span = max(values.max(), 0) - min(values.min(), 0)
    assert restored.shape == values.shape
    assert np.linalg.norm(restored - values) <= np.sqrt(values.size) * span / ((1 << bits) - 1)


def test_zeros_stay_zero():
    zeros = np.zeros((40, 3), np.float32)
    assert not restore_blocks(round_blocks(zeros, bits=4, block_size=32)).any()
    assert not restore_int8(*round_int8(zeros, 0)).any()


def test_a_smaller_range_beats_the_full_one_on_heavy_tails():
    values = np.random.default_rng(0).standard_t(4, (256, 64)).astype(np.float32)
    restored = restore_blocks(round_blocks(values, bits=4, block_size=32))
    blocks = values.T.reshape(64, -1, 32)
    low, high = np.minimum(blocks.min(2, keepdims=True), 0), np.maximum(blocks.max(2, keepdims=True), 0)
    step = (high - low) / 15
    plain = (np.clip(np.rint(blocks / step) + np.rint(-low / step), 0, 15) - np.rint(-low / step)) * step
    assert np.square(restored - values).sum() < 0.97 * np.square(plain - blocks).sum()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("inputs", [32, 64, 200])
def test_onnxruntime_multiplies_with_the_restored_values(tmp_path, bits, inputs):
    random = np.random.default_rng(3)
    weight = random.standard_normal((inputs, 24), dtype=np.float32)
    bias = random.standard_normal(24, dtype=np.float32)
    with ExternalWriter(tmp_path / "weights") as writer:
        graph = GraphBuilder(writer)
        blocks = round_blocks(weight, bits=bits, block_size=32)
        output = add_block_linear(graph, "/product", "x", blocks, bias)
    for node in graph._nodes:
        del node.attribute[[attribute.name for attribute in node.attribute].index("accuracy_level")]
    value = helper.make_tensor_value_info
    model = graph.model(
        [value("x", TensorProto.FLOAT, [None, inputs])], [value(output, TensorProto.FLOAT, [None, 24])]
    )
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    x = random.standard_normal((5, inputs), dtype=np.float32)
    (product,) = ort.InferenceSession(str(tmp_path / "model.onnx")).run(None, {"x": x})
    expected = x @ restore_blocks(round_blocks(weight, bits=bits, block_size=32)) + bias
    np.testing.assert_allclose(product, expected, atol=1e-4)
