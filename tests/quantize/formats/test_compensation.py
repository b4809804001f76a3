"""Rounding that compensates errors over the calibration set."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2_quantize.formats.compensation import round_compensated
from cg2_quantize.formats.rounding import restore_blocks, round_blocks
from cg2ls.models.folder import ModelDescription


@pytest.fixture
def inputs():
    """Correlated inputs, as a network's are."""
    random = np.random.default_rng(0)
    return (random.normal(size=(400, 24)) @ random.normal(size=(24, 100))).astype(np.float32)


@pytest.fixture
def weight():
    return np.random.default_rng(1).normal(size=(100, 40)).astype(np.float32)


def error(blocks, weight, inputs):
    return float(np.square(inputs @ (restore_blocks(blocks) - weight)).mean())


@pytest.mark.parametrize("block_size", [16, 32])
def test_the_error_of_the_product_is_much_smaller(weight, inputs, block_size):
    covariance = inputs.T @ inputs / len(inputs)
    plain = round_blocks(weight, bits=4, block_size=block_size)
    compensated = round_compensated(weight, covariance, bits=4, block_size=block_size)
    assert error(compensated, weight, inputs) < 0.5 * error(plain, weight, inputs)
    assert compensated.packed.shape == plain.packed.shape
    assert compensated.zero_points.shape == plain.zero_points.shape


def test_unrelated_inputs_leave_nothing_to_compensate(weight):
    plain = round_blocks(weight, bits=8, block_size=32)
    compensated = round_compensated(weight, np.eye(100, dtype=np.float32), bits=8, block_size=32)
    assert np.array_equal(restore_blocks(plain), restore_blocks(compensated))


def test_inputs_that_were_always_zero_give_finite_weights(weight):
    blocks = round_compensated(weight, np.zeros((100, 100), np.float32), bits=4, block_size=32)
    assert np.isfinite(restore_blocks(blocks)).all()


def test_int6_has_queries_keys_and_values_in_eight_bits(checkpoint, tmp_path, config):
    convert(checkpoint, tmp_path / "model", ConversionOptions(precision="int6", calibrated=True))
    assert ModelDescription.read(tmp_path / "model").precision == "int6"
    graph = onnx.load(str(tmp_path / "model" / "model.onnx"), load_external_data=False).graph
    bits = {
        node.name.rpartition("/")[0].rpartition("/")[2]: attribute.i
        for node in graph.node
        for attribute in node.attribute
        if node.op_type == "MatMulNBits" and attribute.name == "bits"
    }
    assert bits == {"qkv_proj": 8, "out_proj": 4, "fc_in": 4, "fc_out": 4}
    assert dequantize(tmp_path / "model", tmp_path / "again").n_parameters == config.n_parameters
