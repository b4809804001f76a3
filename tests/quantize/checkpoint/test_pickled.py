"""PyTorch's .bin files in the forms that people save."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint import pickled
from cg2_quantize.checkpoint.sources import open_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2_quantize.planning.machine import Machine
from cg2ls.models.codegen2 import Checkpoint, CheckpointError
from cg2ls.models.folder import ModelDescription

BIN = "pytorch_model.bin"


@pytest.fixture
def copy(checkpoint, tmp_path):
    """The random checkpoint without weights."""
    return shutil.copytree(checkpoint, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))


@pytest.fixture(scope="module")
def state(checkpoint):
    source = Checkpoint.open(checkpoint)
    return {name: torch.from_numpy(source.tensor(name)) for name in source.names()}


FORMS = {
    "plain": lambda state: state,
    "parameters": lambda state: {name: torch.nn.Parameter(tensor) for name, tensor in state.items()},
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
    "model": lambda state: {"model": state, "step": 7},
    "nested": lambda state: {"module": {"state_dict": state}},
    "distributed": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {"model": {f"_orig_mod.{name}": tensor for name, tensor in state.items()}},
    "doubles": lambda state: {name: tensor.double() for name, tensor in state.items()},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_zip", [True, False])
def test_every_form_gives_the_same_values(copy, state, form, is_zip):
    torch.save(FORMS[form](state), copy / BIN, _use_new_zipfile_serialization=is_zip)
    opened = open_checkpoint(copy)
    assert list(opened.names()) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(opened.tensor(name), tensor.numpy())


def test_read_values_may_be_changed(copy, state):
    torch.save(state, copy / BIN)
    opened = open_checkpoint(copy)
    opened.tensor("lm_head.bias").fill(9)
    np.testing.assert_array_equal(opened.tensor("lm_head.bias"), state["lm_head.bias"].numpy())


@pytest.mark.parametrize("proof", ["none", "quick"])
def test_no_second_copy_is_written(copy, state, folders, tmp_path, monkeypatch, proof):
    monkeypatch.setattr("cg2_quantize.verification.prove.QUICK_TOKENS", 64)
    torch.save(state, copy / BIN)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    convert(copy, tmp_path / "model", ConversionOptions(proof=proof))
    found, expected = ModelDescription.read(tmp_path / "model"), ModelDescription.read(folders["int8"])
    assert found.files == expected.files
    assert sorted(path.name for path in copy.iterdir()) == [
        "cg2ls.json",
        "config.json",
        BIN,
        "tokenizer.json",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"epoch": 3, "optimizer": {"lr": 0.1}}, "holds no weights: its keys are 'epoch', 'optimizer'"),
        ([torch.ones(2)], "holds a list, not a dictionary of tensors"),
        ({}, "holds no weights: its keys are none"),
    ],
)
def test_other_content_than_a_state_dict_is_named(copy, content, says):
    torch.save(content, copy / BIN)
    with pytest.raises(QuantizeError, match=says):
        open_checkpoint(copy)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04 cut", "is cut short: download it again"),
        (b"some text", "is not a file that PyTorch wrote"),
    ],
)
def test_a_damaged_or_foreign_file_is_named(copy, content, says):
    (copy / BIN).write_bytes(content)
    with pytest.raises(QuantizeError, match=says):
        open_checkpoint(copy)


def test_an_old_file_that_is_too_large_to_be_read_whole(copy, state, monkeypatch):
    torch.save(state, copy / BIN, _use_new_zipfile_serialization=False)
    monkeypatch.setattr(pickled, "inspect_machine", lambda: Machine(memory=1 << 20))
    with pytest.raises(QuantizeError, match=r"PyTorch's form before 1\.6, which cannot be mapped"):
        open_checkpoint(copy)


def test_int8_weights_are_refused_by_name(copy, state):
    name = "transformer.h.0.mlp.fc_in.weight"
    torch.save(state | {name: torch.zeros(200, 256, dtype=torch.int8)}, copy / BIN)
    with pytest.raises(CheckpointError, match=r"quantized already: int8 \(type I8 of transformer"):
        open_checkpoint(copy)


def test_a_missing_shard_is_seen_before_anything_is_written(copy, state, tmp_path):
    first = dict(list(state.items())[:5])
    torch.save(first, copy / "pytorch_model-00001-of-00002.bin")
    index = {name: f"pytorch_model-0000{1 if name in first else 2}-of-00002.bin" for name in state}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    with pytest.raises(CheckpointError, match=r"pytorch_model-00002-of-00002\.bin is missing"):
        convert(copy, tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
