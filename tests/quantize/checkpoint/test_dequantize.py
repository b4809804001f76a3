"""A model folder turned back into a checkpoint."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from transformers import CodeGenForCausalLM

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2_quantize.checkpoint.dequantize import shuffle_channels
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats.rounding import restore_blocks, restore_int8, round_blocks, round_int8
from cg2_quantize.verification.comparison import run_through
from cg2_quantize.verification.reference import build_reference_network
from cg2ls.errors import Cg2Error
from cg2ls.files import OutputError
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.models.codegen2.config import CODEGEN25
from cg2ls.models.codegen2.tensor_layout import regroup_qkv
from cg2ls.models.folder import ModelDescription


def test_fp32_comes_back_bit_for_bit_in_four_groups(checkpoint, folders, tmp_path):
    dequantize(folders["fp32"], tmp_path / "again")
    before, after = Checkpoint.open(checkpoint), Checkpoint.open(tmp_path / "again")
    assert after.config.qkv_groups == 4
    for name in before.names():
        expected = before.tensor(name)
        if name.endswith("qkv_proj.weight"):
            expected = regroup_qkv(expected, 8, 4)
        np.testing.assert_array_equal(after.tensor(name), expected, err_msg=name)


def test_int8_comes_back_as_the_rounded_values(checkpoint, folders, tmp_path):
    dequantize(folders["int8"], tmp_path / "again")
    name = "transformer.h.1.mlp.fc_out.weight"
    expected = restore_int8(*round_int8(Checkpoint.open(checkpoint).tensor(name).T, 0)).T
    np.testing.assert_array_equal(Checkpoint.open(tmp_path / "again").tensor(name), expected)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_transformers_computes_with_the_same_values(folders, run, tokens, tmp_path, precision):
    dequantize(folders[precision], tmp_path / "again")
    model = CodeGenForCausalLM.from_pretrained(tmp_path / "again", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0].numpy()
    error = np.linalg.norm(run(folders[precision])(tokens) - expected) / np.linalg.norm(expected)
    assert error < 0.03, "what is left is the rounding of activations"


def test_converting_again_changes_no_int8_weight(folders, tmp_path):
    dequantize(folders["int8"], tmp_path / "again")
    convert(tmp_path / "again", tmp_path / "model", ConversionOptions(precision="int8", untrained=True))
    dequantize(tmp_path / "model", tmp_path / "third")
    once, twice = Checkpoint.open(tmp_path / "again"), Checkpoint.open(tmp_path / "third")
    for name in once.names():
        np.testing.assert_allclose(twice.tensor(name), once.tensor(name), rtol=1e-6, err_msg=name)


def test_model_json_survives_the_round_trip(folders, tmp_path):
    dequantize(folders["int8"], tmp_path / "again")
    convert(tmp_path / "again", tmp_path / "model", ConversionOptions(precision="int4", untrained=True))
    before, after = ModelDescription.read(folders["int8"]), ModelDescription.read(tmp_path / "model")
    assert (after.name, after.infill, after.source) == (before.name, before.infill, before.source)
    assert after.context_length == before.context_length


def test_heads_that_do_not_divide_by_four_keep_their_groups(tmp_path):
    shape = CodeGenConfig(
        n_layer=1,
        n_embd=96,
        n_head=6,
        rotary_dim=16,
        n_positions=32,
        vocab_size=300,
        n_inner=32,
        qkv_groups=3,
        layer_norm_epsilon=1e-6,
    )
    write_random_checkpoint(tmp_path / "six", shape)
    convert(tmp_path / "six", tmp_path / "model", ConversionOptions(precision="fp32"))
    assert dequantize(tmp_path / "model", tmp_path / "again") == shape
    name = "transformer.h.0.attn.qkv_proj.weight"
    np.testing.assert_array_equal(
        Checkpoint.open(tmp_path / "again").tensor(name), Checkpoint.open(tmp_path / "six").tensor(name)
    )


def test_a_damaged_model_is_refused(folders, tmp_path):
    damaged = shutil.copytree(folders["int8"], tmp_path / "damaged")
    with (damaged / "model.onnx.data").open("r+b") as file:
        file.write(b"\x01")
    with pytest.raises(Cg2Error, match="SHA-256"):
        dequantize(damaged, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_an_existing_checkpoint_is_replaced_only_by_force(folders, tmp_path):
    dequantize(folders["int8"], tmp_path / "again")
    with pytest.raises(QuantizeError, match="--force"):
        dequantize(folders["int4"], tmp_path / "again")
    dequantize(folders["int4"], tmp_path / "again", force=True)
    with pytest.raises(OutputError, match=r"no config\.json"):
        dequantize(folders["int4"], folders["int8"], force=True)


def logits_of(folder, about, tokens):
    side = run_through(build_reference_network(Checkpoint.open(folder)), about, [tokens])
    return side.logits(side.network.head(), 0, 0, len(tokens))


def test_the_function_is_the_same(checkpoint, folders, tmp_path, config, tokens):
    source = Checkpoint.open(checkpoint)
    tensors = shuffle_channels({name: source.tensor(name) for name in source.names()}, source.config)
    tokenizer = CodeTokenizer.load(source.tokenizer_path)
    end = tokenizer.special.end_of_text
    write_checkpoint(tmp_path / "other", source.config, tensors, tokenizer.to_json(), end_of_text_id=end)
    about = ModelDescription.read(folders["fp32"])
    before, after = (logits_of(place, about, np.array(tokens)) for place in (checkpoint, tmp_path / "other"))
    assert np.abs(after - before).max() < 1e-3
    name = "transformer.h.0.mlp.fc_in.weight"
    assert not np.array_equal(tensors[name], source.tensor(name))


def test_weights_that_were_rounded_lose_by_rounding_again_only_when_shuffled(folders, tmp_path):
    errors = {}
    for shuffle in (False, True):
        dequantize(folders["int4"], tmp_path / str(shuffle), shuffle=shuffle)
        weight = Checkpoint.open(tmp_path / str(shuffle)).tensor("transformer.h.0.mlp.fc_out.weight").T
        again = restore_blocks(round_blocks(weight, bits=4, block_size=32))
        errors[shuffle] = float(np.linalg.norm(again - weight) / np.linalg.norm(weight))
    assert errors[False] < 0.01
    assert errors[True] > 0.04


def test_another_family_is_refused():
    shape = CodeGenConfig(
        n_layer=1, n_embd=32, n_head=2, rotary_dim=16, n_positions=32, vocab_size=64, n_inner=64,
        qkv_groups=1, family=CODEGEN25,
    )  # fmt: skip
    with pytest.raises(QuantizeError, match="cannot be shuffled"):
        shuffle_channels({}, shape)
