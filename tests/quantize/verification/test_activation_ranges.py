"""A format with float16 activations is refused for a network whose values it cannot represent."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import select_format
from cg2_quantize.verification import calibration
from cg2_quantize.verification.calibration import FLOAT16_LIMIT, LargestActivation, find_largest_activation
from cg2_quantize.verification.heldout import make_calibration_rows
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Two rows of the calibration set are enough here."""
    monkeypatch.setattr(
        calibration, "make_calibration_rows", lambda *arguments: make_calibration_rows(*arguments)[:2]
    )


@pytest.fixture
def opened(checkpoint):
    source = Checkpoint.open(checkpoint)
    return source, CodeTokenizer.load(source.tokenizer_path)


@pytest.fixture
def scaled(monkeypatch):
    """Multiplies tensors of the checkpoint, as it is read."""
    read = Checkpoint.tensor

    def by(**factors):
        def tensor(self, name):
            values = read(self, name)
            return values * np.float32(next((f for part, f in factors.items() if part in name), 1))

        monkeypatch.setattr(Checkpoint, "tensor", tensor)

    return by


@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_one_layer_beyond_float16_is_named(checkpoint, tmp_path, scaled, precision):
    scaled(fc_in=3e4)
    with pytest.raises(
        QuantizeError, match=r"float16, which holds 65,504 at most, but model\.layers\.[01]\.mlp"
    ):
        convert(checkpoint, tmp_path / "out", ConversionOptions(precision=precision, target="cuda"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("precision", "target"), [("bf16", "cuda"), ("int8", "cpu"), ("fp32", "cpu")])
def test_formats_with_a_larger_range_take_it(checkpoint, tmp_path, scaled, precision, target):
    scaled(fc_in=3e4)
    convert(checkpoint, tmp_path / "out", ConversionOptions(precision=precision, target=target))


@pytest.mark.parametrize(
    ("part", "factor", "place"),
    [
        ("wte", 1e6, "model."),
        ("qkv_proj", 1e6, "attn"),
        ("fc_out", 1e6, "model.layers.0"),
        ("lm_head", 1e6, "lm_head"),
    ],
)
def test_every_part_of_the_network_is_looked_at(opened, scaled, part, factor, place):
    scaled(**{part: factor})
    found = find_largest_activation(*opened, select_format("fp16"))
    assert found.value > FLOAT16_LIMIT
    assert place in found.at


def test_plan_for_a_card_fits_its_memory(opened):
    found = find_largest_activation(*opened, select_format("fp16"))
    assert 1 < found.value < 100


def test_not_a_number_counts_as_the_largest():
    found = LargestActivation()
    found.update("a", np.array([1.0, -3.0]))
    assert (found.value, found.at) == (3.0, "a")
    found.update("b", np.array([1.0, np.nan]))
    assert (found.value, found.at) == (float("inf"), "b")
    found.update("c", np.array([2.0]))
    assert found.at == "b"


def test_the_report_names_the_largest(checkpoint, folders, monkeypatch, tmp_path):
    monkeypatch.setattr("cg2_quantize.verification.prove.QUICK_TOKENS", 64)
    convert(checkpoint, tmp_path / "out", ConversionOptions(precision="fp16", proof="quick"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert 1 < report["largest_activation"] < 100
    assert report["largest_activation_at"].startswith(("model.layers.", "model.embed_tokens", "lm_head"))


def test_weights_beyond_float16_are_named(checkpoint, tmp_path, monkeypatch):
    read = Checkpoint.tensor

    def tensor(self, name):
        values = read(self, name)
        if name.endswith("h.1.mlp.fc_out.weight"):
            values[0, 0] = 1e5
        return values

    monkeypatch.setattr(Checkpoint, "tensor", tensor)
    # The package's function hides its module, so the module is taken from where Python keeps it.
    conversion = sys.modules["cg2_quantize.convert"]
    monkeypatch.setattr(conversion, "check_float16_range", lambda *arguments: LargestActivation(1.0, "x"))
    with pytest.raises(
        QuantizeError,
        match=r"model\.layers\.1\.mlp\.fc_out\.weight has a value .* float16, which holds 65,504",
    ):
        convert(checkpoint, tmp_path / "out", ConversionOptions(precision="fp16"))
    assert not (tmp_path / "out").exists()
