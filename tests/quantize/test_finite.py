"""A number that is not finite stops a conversion at any place, and nothing is written."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cg2_quantize.cli import main
from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.builder import ExternalWriter
from cg2_quantize.verification.comparison import Measures
from cg2_quantize.verification.report import ProofReport, check_limits, find_limit, list_misses
from cg2ls.jsontext import NotFiniteError
from cg2ls.models.codegen2 import Checkpoint

NAMES = (
    "transformer.h.0.mlp.fc_in.bias",
    "transformer.h.1.attn.qkv_proj.weight",
    "transformer.h.0.ln_1.weight",
    "transformer.wte.weight",
    "transformer.ln_f.bias",
    "lm_head.bias",
)


@pytest.mark.parametrize("precision", ["int8", "int4", "fp32", "fp16"])
@pytest.mark.parametrize("name", NAMES)
def test_a_nan_in_any_tensor_stops_any_format(checkpoint, tmp_path, capsys, precision, name):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    tensors[name].reshape(-1)[5] = np.nan
    save_file(tensors, copy / "model.safetensors")
    assert main([str(copy), "-o", str(tmp_path / "out"), "--format", precision, "--proof", "none"]) == 1
    error = capsys.readouterr().err
    assert f"{name} holds nan at " in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_a_network_whose_values_overflow_is_named(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cg2_quantize.verification.prove.QUICK_TOKENS", 64)
    read = Checkpoint.tensor

    def tensor(self, name):
        values = read(self, name)
        return values * np.float32(3e38 if name.endswith("h.0.mlp.fc_out.weight") else 1)

    monkeypatch.setattr(Checkpoint, "tensor", tensor)
    assert main([str(checkpoint), "-o", str(tmp_path / "out"), "--format", "fp32", "--proof", "quick"]) == 1
    error = capsys.readouterr().err
    assert "not finite" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["kl_mean", "top1_agreement", "perplexity_ratio"])
@pytest.mark.parametrize("options", [[], ["--allow-loss"]])
def test_a_proof_without_a_number_leaves_no_folder(checkpoint, tmp_path, monkeypatch, capsys, name, options):
    monkeypatch.setattr("cg2_quantize.verification.prove.QUICK_TOKENS", 64)
    monkeypatch.setattr(Measures, name, property(lambda self: math.nan))
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--proof", "quick", "--untrained", *options]
    assert main(words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"{name} is nan" in said.err or "not finite" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_no_initializer_that_is_not_finite_is_written(tmp_path, dtype, number):
    values = np.ones(4, dtype)
    values[2] = number
    with ExternalWriter(tmp_path / "data") as writer, pytest.raises(QuantizeError, match="scale has a value"):
        writer.add("model.layers.0.mlp.fc_in.weight_scale", values)


TRAINED = ProofReport(
    format="int8", bytes=1, bits_per_weight=8.0, kl_mean=1e-4, top1_agreement=0.99, trained=True
)


@pytest.mark.parametrize("key", ["kl_mean", "top1_agreement"])
@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("trained", [True, False, None])
def test_nan_is_within_no_limit(key, number, trained):
    assert list_misses(TRAINED) == []
    with pytest.raises(QuantizeError, match="not finite"):
        check_limits(replace(TRAINED, **{key: number}, trained=trained))


@pytest.mark.parametrize("key", ["kl_error", "top1_error"])
def test_an_error_that_is_no_number_is_within_no_limit(key):
    assert list_misses(replace(TRAINED, **{key: math.nan}))


def test_values_up_to_a_limit_are_within_it():
    limit = find_limit("int8", 1)
    assert list_misses(replace(TRAINED, kl_mean=limit.kl, top1_agreement=limit.agreement)) == []
    assert (
        len(list_misses(replace(TRAINED, kl_mean=limit.kl * 1.01, top1_agreement=limit.agreement - 0.001)))
        == 2
    )


def test_a_report_never_contains_nan(tmp_path):
    with pytest.raises(NotFiniteError, match=r"report\.json: perplexity_ratio is nan"):
        replace(TRAINED, perplexity_ratio=math.nan).write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    replace(TRAINED, perplexity_ratio=1.0).write(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["perplexity_ratio"] == 1.0


def test_the_ratio_of_two_perplexities_stays_a_number():
    measures = Measures()
    expected, found = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    found[:, 0] = 5000
    measures.add(expected, found, np.array([1, 2]))
    assert math.isfinite(measures.perplexity_ratio)
