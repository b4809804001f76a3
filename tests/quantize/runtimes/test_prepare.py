"""Model folders converted for other runtimes, whose own exporters are not run here."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.convert import QuantizeError
from cg2_runtimes import __main__ as command
from cg2_runtimes import prepare as preparing
from cg2_runtimes.prepare import CHECKPOINT, prepare
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.folder.description import ModelDescription


@pytest.fixture
def conversions(monkeypatch):
    """Records conversions instead of running them."""
    made = []

    def fake(runtime, checkpoint, folder, precision):
        made.append((runtime, json.loads((checkpoint / "config.json").read_text())["n_layer"]))
        (folder / "made").touch()

    monkeypatch.setattr(preparing, "_convert", fake)
    monkeypatch.setattr(preparing, "_read_versions", lambda runtime: f"{runtime} 1")
    return made


def test_another_runtime_gets_the_dequantized_checkpoint(tiny_model, tmp_path, conversions):
    made = prepare("optimum", tiny_model, tmp_path)
    assert made == tmp_path / "optimum"
    assert (made / "made").exists()
    assert conversions == [("optimum", 2)]


def test_special_tokens_are_read_from_the_checkpoint(tiny_model, tmp_path, conversions):
    prepare("ctranslate2", tiny_model, tmp_path)
    raw = json.loads((tmp_path / CHECKPOINT / "tokenizer_config.json").read_text())
    assert raw["eos_token"] == raw["bos_token"] == raw["unk_token"] == "<|endoftext|>"


def test_the_same_weights_are_converted_once(tiny_model, tmp_path, conversions):
    for runtime in ("optimum", "ctranslate2", "optimum"):
        prepare(runtime, tiny_model, tmp_path)
    assert [runtime for runtime, _ in conversions] == ["optimum", "ctranslate2"]


def test_other_weights_or_another_version_are_converted_again(tiny_model, tmp_path, conversions, monkeypatch):
    prepare("optimum", tiny_model, tmp_path)
    monkeypatch.setattr(preparing, "_read_versions", lambda runtime: f"{runtime} 2")
    prepare("optimum", tiny_model, tmp_path)
    other = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, rotary_dim=16, n_positions=64, vocab_size=512, n_inner=256
    )
    write_random_checkpoint(tmp_path / "other", other, seed=2)
    convert(tmp_path / "other", tmp_path / "other-model", ConversionOptions(precision="fp32", name="other"))
    prepare("optimum", tmp_path / "other-model", tmp_path)
    assert [layers for _, layers in conversions] == [2, 2, 1]


def test_heads_that_do_not_divide_by_four_suit_no_other_runtime(tmp_path, conversions):
    odd = CodeGenConfig(
        n_layer=1,
        n_embd=32,
        n_head=2,
        rotary_dim=16,
        n_positions=64,
        vocab_size=512,
        n_inner=64,
        qkv_groups=2,
    )
    write_random_checkpoint(tmp_path / "odd", odd, seed=1)
    convert(tmp_path / "odd", tmp_path / "model", ConversionOptions(precision="fp32", name="odd"))
    with pytest.raises(QuantizeError, match="has 2 heads; other runtimes need a multiple of 4"):
        prepare("optimum", tmp_path / "model", tmp_path / "room")
    assert conversions == []


def test_the_command_reports_a_problem_in_one_line(tiny_model, tmp_path, monkeypatch, capsys):
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    (broken / "model.onnx.data").write_bytes(b"")
    monkeypatch.setattr(preparing, "_read_versions", lambda runtime: "1")
    monkeypatch.setattr(
        sys, "argv", ["cg2_runtimes", "prepare", "optimum", str(broken), "-o", str(tmp_path / "room")]
    )
    assert command.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_reference_model_has_the_reference_shape(tmp_path, monkeypatch):
    small = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, rotary_dim=16, n_positions=64, vocab_size=512, n_inner=256
    )
    monkeypatch.setitem(preparing.SHAPES, "reference-8x512", small)
    preparing.write_reference_model(tmp_path / "room" / "model")
    model = ModelDescription.read(tmp_path / "room" / "model")
    assert (model.precision, model.architecture.n_layer, model.context_length) == ("int8", 1, 64)
    assert [path.name for path in (tmp_path / "room").iterdir()] == ["model"]
