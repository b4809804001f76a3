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

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2 import Checkpoint, CheckpointError, write_checkpoint
from cg2ls.models.codegen2.files import SafetensorsError, map_safetensors
from cg2ls.models.codegen2.tensor_layout import fuse_qkv, regroup_qkv, split_qkv


@pytest.fixture
def copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def test_written_file_is_read_back(copy: Path, tmp_path: Path) -> None:
    first = Checkpoint.open(copy)
    tensors = {name: first.tensor(name) for name in first.names()}
    write_checkpoint(
        tmp_path / "again", first.config, tensors, (copy / "tokenizer.json").read_text(), end_of_text_id=9
    )
    second = Checkpoint.open(tmp_path / "again")
    assert second.config == first.config
    assert all(np.array_equal(second.tensor(name), tensors[name]) for name in tensors)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are read as POSIX has them")
def test_written_files_are_readable_by_others(tiny_checkpoint: Path) -> None:
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
def test_a_file_that_is_no_index_is_reported_in_one_sentence(copy: Path, index: str) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        Checkpoint.open(copy)


@pytest.mark.parametrize(
    "header", ["[]", '{"a": {"dtype": "F32", "shape": [1], "data_offsets": ["x", 4]}}', "[" * 90_000]
)
def test_a_damaged_header_is_reported_in_one_sentence(tmp_path: Path, header: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"0000")
    with pytest.raises(SafetensorsError, match=r"model\.safetensors"):
        dict(map_safetensors(path))


def rewrite(folder: Path, **changes: torch.Tensor | None) -> None:
    """Puts tensors into a checkpoint, or takes them out; "__" stands for "." in names."""
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in changes.items():
        name = name.replace("__", ".")
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors")


def claim(folder: Path, **keys: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_value_that_is_not_finite_is_named(copy: Path, number: float, dtype: torch.dtype) -> None:
    name = "transformer.h.0.mlp.fc_in.bias"
    values = load_file(copy / "model.safetensors")[name].to(dtype)
    values[3] = number
    rewrite(copy, transformer__h__0__mlp__fc_in__bias=values)
    checkpoint = Checkpoint.open(copy)
    with pytest.raises(CheckpointError, match=rf"{name} holds {number} at \[3\] \(1 of its 256 values"):
        checkpoint.tensor(name)


def test_a_double_too_large_for_float32_is_named(copy: Path) -> None:
    values = torch.full((256,), 1e300, dtype=torch.float64)
    rewrite(copy, transformer__h__0__mlp__fc_in__bias=values)
    with pytest.raises(CheckpointError, match=r"fc_in\.bias holds inf"):
        Checkpoint.open(copy).tensor("transformer.h.0.mlp.fc_in.bias")


def test_no_checkpoint_with_nan_is_written(copy: Path, tmp_path: Path) -> None:
    source = Checkpoint.open(copy)
    tensors = {name: source.tensor(name) for name in source.names()}
    tensors["lm_head.bias"][7] = np.nan
    with pytest.raises(CheckpointError, match=r"lm_head\.bias holds nan at \[7\]"):
        write_checkpoint(tmp_path / "out", source.config, tensors, "{}", end_of_text_id=9)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("dtype", "says"),
    [
        (torch.int8, "quantized already: int8"),
        (torch.uint8, "packed bytes"),
        (torch.float8_e4m3fn, "FP8"),
        (torch.int32, "packed int32, as GPTQ and AWQ have"),
        (torch.bool, "booleans"),
    ],
)
def test_weights_that_are_no_plain_floats_are_refused_by_name(
    copy: Path, dtype: torch.dtype, says: str
) -> None:
    rewrite(copy, transformer__h__0__mlp__fc_in__weight=torch.zeros(256, 64).to(dtype))
    with pytest.raises(CheckpointError, match=rf"{says}.*of transformer\.h\.0\.mlp\.fc_in\.weight"):
        Checkpoint.open(copy)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("transformer.h.0.mlp.fc_in.SCB", "bitsandbytes' int8"),
        ("transformer.h.0.mlp.fc_in.weight.absmax", "bitsandbytes' 4 bits"),
        ("transformer.h.0.mlp.fc_in.qweight", "GPTQ or AWQ"),
        ("transformer.h.0.mlp.fc_in.weight_scale_inv", "FP8"),
        ("transformer.h.0.mlp.fc_in.weight_blocks", "MXFP4"),
    ],
)
def test_stored_scales_show_that_weights_are_quantized(copy: Path, name: str, says: str) -> None:
    rewrite(copy, **{name.replace(".", "__"): torch.ones(4)})
    with pytest.raises(CheckpointError, match=f"is quantized already: {says}"):
        Checkpoint.open(copy)


def test_file_in_the_folder_shows_that_weights_are_quantized(copy: Path) -> None:
    (copy / "quantize_config.json").write_text('{"bits": 4}')
    with pytest.raises(CheckpointError, match=r"quantized already: GPTQ \(quantize_config\.json\)"):
        Checkpoint.open(copy)


def test_tensors_without_a_place_in_the_network_are_refused(copy: Path) -> None:
    claim(copy, n_layer=1)
    with pytest.raises(CheckpointError, match=r"no place for \(transformer\.h\.1\..* and 7 more\)"):
        Checkpoint.open(copy)


def test_an_adapters_tensors_are_named(copy: Path) -> None:
    rewrite(copy, transformer__h__0__attn__qkv_proj__lora_A__weight=torch.ones(4, 64))
    with pytest.raises(CheckpointError, match="merge the adapter into its model first"):
        Checkpoint.open(copy)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_prefixes_that_wrappers_add_to_names_are_removed(copy: Path, prefix: str) -> None:
    tensors = load_file(copy / "model.safetensors")
    save_file({f"{prefix}{name}": tensor for name, tensor in tensors.items()}, copy / "model.safetensors")
    checkpoint = Checkpoint.open(copy)
    assert np.array_equal(checkpoint.tensor("lm_head.bias"), tensors["lm_head.bias"].numpy())


def test_a_tied_head_is_the_embedding(copy: Path) -> None:
    rewrite(copy, lm_head__weight=None)
    with pytest.raises(CheckpointError, match=r"lm_head\.weight is missing and config\.json ties no head"):
        Checkpoint.open(copy)
    claim(copy, tie_word_embeddings=True)
    checkpoint = Checkpoint.open(copy)
    assert np.array_equal(checkpoint.tensor("lm_head.weight"), checkpoint.tensor("transformer.wte.weight"))
    assert not checkpoint.config.tied, "from here on the head has its own matrix"


def test_a_tied_head_with_other_values_is_a_contradiction(copy: Path) -> None:
    claim(copy, tie_word_embeddings=True)
    with pytest.raises(
        CheckpointError, match=r"ties the head to the embedding .* but lm_head\.weight differs"
    ):
        Checkpoint.open(copy)


def test_a_saved_mask_that_is_shorter_than_the_context_is_a_contradiction(copy: Path) -> None:
    rewrite(copy, transformer__h__0__attn__causal_mask=torch.ones(1, 1, 128, 128, dtype=torch.bool))
    with pytest.raises(
        CheckpointError, match=r"a mask for 128 tokens, but config\.json states 256 positions"
    ):
        Checkpoint.open(copy)


@pytest.mark.parametrize(("base", "fits"), [(10000.0, True), (500000.0, False)])
def test_saved_rotary_frequencies_are_compared(copy: Path, base: float, fits: bool) -> None:
    frequencies = base ** (-torch.arange(0, 16, 2) / 16)
    rewrite(copy, transformer__h__0__attn__rotary_emb__inv_freq=frequencies.half())
    if fits:
        Checkpoint.open(copy)
        return
    with pytest.raises(CheckpointError, match="rotary frequencies of another base or scaling"):
        Checkpoint.open(copy)


def test_a_tensor_in_two_files_is_a_contradiction(copy: Path) -> None:
    whole = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    save_file(whole, copy / "model-00001-of-00002.safetensors")
    save_file({"lm_head.bias": whole["lm_head.bias"]}, copy / "model-00002-of-00002.safetensors")
    with pytest.raises(CheckpointError, match=r"lm_head\.bias is in two files"):
        Checkpoint.open(copy)
