"""Calibration on a small code set: scales of an int8 cache, and importance of int4's inputs."""

from __future__ import annotations

import numpy as np
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.formats import FormatError, select_format
from cg2_quantize.formats.rounding import restore_blocks, round_blocks
from cg2_quantize.verification.calibration import calibrate
from cg2ls.engine import Engine, Request
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer
from cg2ls.models.folder import ModelDescription


@pytest.fixture(scope="module")
def found(trained):
    checkpoint = Checkpoint.open(trained)
    tokenizer = CodeTokenizer.load(checkpoint.tokenizer_path)
    return calibrate(checkpoint, tokenizer, cache=True, inputs=True)


def test_every_product_and_every_cache_was_seen(found, trained):
    config = Checkpoint.open(trained).config
    assert sorted(found.largest) == list(range(config.n_layer))
    inputs = found.inputs("/model/layers.1/mlp/fc_out")
    assert inputs.shape[1] == config.n_inner
    assert len(inputs) > 1000
    assert len(found.inputs("/model/layers.1/attn/qkv_proj")) == len(inputs)
    with pytest.raises(KeyError):
        found.inputs("/model/layers.0/mlp/fc_out")
    key, value = found.of_layer(3)
    assert key.shape == value.shape == (config.n_embd,)
    assert min(key.min(), value.min()) > 0


def test_errors_go_where_they_matter_less():
    random = np.random.default_rng(0)
    weight = random.standard_t(4, (64, 48)).astype(np.float32)
    importance = np.where(np.arange(64) % 2, 10, 0.1).astype(np.float32)

    def error(blocks):
        return float((np.square(restore_blocks(blocks) - weight) * importance[:, None]).sum())

    plain = round_blocks(weight, bits=4, block_size=32)
    aware = round_blocks(weight, bits=4, block_size=32, importance=importance)
    assert error(aware) < 0.97 * error(plain)


def test_a_model_with_an_int8_cache_runs_and_stays_close(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("cg2_quantize.verification.prove.QUICK_TOKENS", 1024)
    monkeypatch.setattr("cg2_quantize.verification.prove.MEMORY_FACTOR", 1e9)
    proof = convert(
        trained, tmp_path / "model", ConversionOptions(kv="int8", proof="quick", allow_loss=True)
    ).proof
    assert ModelDescription.read(tmp_path / "model").kv_dtype == "int8"
    assert proof.kl_mean < 4e-3, "int8 weights alone may lose half of that"
    assert proof.prefill_ms is None, "there was no memory to time it in"
    with Engine.open(tmp_path / "model") as engine:
        request = Request(prompt=engine.tokenizer.encode("def add(a, b):\n    return"), max_tokens=4)
        assert list(engine.complete(request))


def test_calibrated_int4_is_int4(tiny_checkpoint, tmp_path):
    convert(tiny_checkpoint, tmp_path / "plain", ConversionOptions(precision="int4"))
    convert(tiny_checkpoint, tmp_path / "aware", ConversionOptions(precision="int4", calibrated=True))
    plain, aware = (ModelDescription.read(tmp_path / name) for name in ("plain", "aware"))
    assert aware.precision == "int4"
    assert aware.files["model.onnx.data"].bytes == plain.files["model.onnx.data"].bytes
    assert aware.files["model.onnx.data"].sha256 != plain.files["model.onnx.data"].sha256
    with pytest.raises(FormatError, match="--calibrate is for int4"):
        select_format("int8", calibrated=True)
