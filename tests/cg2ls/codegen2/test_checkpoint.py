"""Checkpoints are read whole or refused with the damage named."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from cg2ls.codegen2 import Checkpoint, CheckpointError, write_checkpoint
from cg2ls.codegen2.qkv import fuse_qkv, regroup_qkv, split_qkv
from cg2ls.codegen2.safetensors_map import SafetensorsError, map_safetensors
from cg2ls.errors import Cg2Error


@pytest.fixture
def copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def test_what_is_written_is_read_back(copy: Path, tmp_path: Path) -> None:
    first = Checkpoint.open(copy)
    tensors = {name: first.tensor(name) for name in first.names()}
    write_checkpoint(
        tmp_path / "again", first.config, tensors, (copy / "tokenizer.json").read_text(), end_of_text_id=9
    )
    second = Checkpoint.open(tmp_path / "again")
    assert second.config == first.config
    assert all(np.array_equal(second.tensor(name), tensors[name]) for name in tensors)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are read as POSIX has them")
def test_what_is_written_may_be_read_by_others(tiny_checkpoint: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o044 for path in tiny_checkpoint.iterdir()}
    assert modes["model.safetensors"] == 0o044


def test_shards_of_bfloat16_are_widened_exactly(copy: Path) -> None:
    whole = load_file(copy / "model.safetensors")
    halves = {name: tensor.bfloat16() for name, tensor in whole.items()}
    halves["transformer.h.0.attn.causal_mask"] = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    names = sorted(halves)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, members in shards.items():
        save_file({name: halves[name] for name in members}, copy / file)
    index = {"weight_map": {name: file for file, members in shards.items() for name in members}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    (copy / "model.safetensors").unlink()
    checkpoint = Checkpoint.open(copy)
    for name in checkpoint.names():
        expected = whole[name].numpy().astype(ml_dtypes.bfloat16).astype(np.float32)
        assert np.array_equal(checkpoint.tensor(name), expected), name


def test_a_truncated_file_is_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(SafetensorsError, match="cut short"):
        Checkpoint.open(copy)


def test_a_missing_tensor_is_named(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["transformer.h.1.mlp.fc_in.bias"]
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"transformer\.h\.1\.mlp\.fc_in\.bias is missing"):
        Checkpoint.open(copy)


def test_a_wrong_shape_is_named(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text()) | {"n_inner": 128}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"fc_in\.weight has shape \[256, 64\]"):
        Checkpoint.open(copy)


def test_an_index_may_not_leave_the_folder(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"x": "../outside.safetensors"}})
    )
    with pytest.raises(CheckpointError, match="not a file of this folder"):
        Checkpoint.open(copy)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(CheckpointError, match=missing):
        Checkpoint.open(copy)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("raw") / "x.safetensors"
    path.write_bytes(raw)
    with pytest.raises(Cg2Error):
        dict(map_safetensors(path))


@given(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8]))
def test_regrouping_keeps_query_key_and_value(groups: int, other: int) -> None:
    fused = np.random.default_rng(0).normal(size=(3 * 16, 16))
    parts = split_qkv(fused, groups)
    query, key, value = parts
    assert np.array_equal(fuse_qkv(query, key, value, groups), fused)
    again = split_qkv(regroup_qkv(fused, groups, other), other)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_regrouping_8_to_4_is_the_published_formula() -> None:
    d = 32
    fused = np.random.default_rng(0).normal(size=(3 * d, d))
    formula = (
        fused.reshape(8, 3, d // 8, d).transpose(1, 0, 2, 3).reshape(3, 4, d // 4, d).transpose(1, 0, 2, 3)
    )
    assert np.array_equal(regroup_qkv(fused, 8, 4), formula.reshape(3 * d, d))


@pytest.mark.parametrize(
    "index", ["[]", '{"weight_map": []}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": []}}']
)
def test_an_index_that_is_none_is_one_sentence(copy: Path, index: str) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        Checkpoint.open(copy)


@pytest.mark.parametrize(
    "header", ["[]", '{"a": {"dtype": "F32", "shape": [1], "data_offsets": ["x", 4]}}', "[" * 90_000]
)
def test_a_damaged_header_is_one_sentence(tmp_path: Path, header: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"0000")
    with pytest.raises(SafetensorsError, match=r"model\.safetensors"):
        dict(map_safetensors(path))
