"""Shapes are read from config.json; wrong values in published files are not used."""

from __future__ import annotations

from typing import Any

import pytest

from cg2ls.models.codegen2 import CodeGenConfig, ConfigError

PUBLISHED: dict[str, dict[str, Any]] = {
    "1B": {"n_layer": 16, "n_embd": 2048, "n_head": 16, "head_dim": 128},
    "3.7B": {"n_layer": 16, "n_embd": 4096, "n_head": 16, "head_dim": 256},
    "7B": {"n_layer": 32, "n_embd": 4096, "n_head": 16},
    "16B": {"n_layer": 34, "n_embd": 6144, "n_head": 24},
}
COMMON = {
    "model_type": "codegen",
    "n_positions": 2048,
    "rotary_dim": 64,
    "vocab_size": 51200,
    "n_inner": None,
}
PARAMETERS = {"1B": 1_015_306_240, "3.7B": 3_641_174_016, "7B": 6_862_858_240, "16B": 16_032_155_648}
GROUPS = {"1B": 8, "3.7B": 8, "7B": 4, "16B": 4}


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_sizes(size: str) -> None:
    config = CodeGenConfig.from_dict(COMMON | PUBLISHED[size])
    assert config.n_parameters == PARAMETERS[size]
    assert config.qkv_groups == GROUPS[size]
    assert config.n_inner == 4 * config.n_embd


def test_groups_can_be_overridden() -> None:
    assert CodeGenConfig.from_dict(COMMON | PUBLISHED["1B"], qkv_groups=4).qkv_groups == 4


def test_the_published_end_of_text_id_is_not_copied() -> None:
    config = CodeGenConfig.from_dict(COMMON | PUBLISHED["1B"] | {"eos_token_id": 2, "bos_token_id": 1})
    written = config.to_dict(end_of_text_id=50256)
    assert (written["bos_token_id"], written["eos_token_id"]) == (50256, 50256)


def test_written_file_is_read_back() -> None:
    config = CodeGenConfig.from_dict(COMMON | PUBLISHED["3.7B"])
    assert CodeGenConfig.from_dict(config.to_dict(end_of_text_id=50256)) == config


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'"),
        ({"model_type": ["codegen"]}, "model_type is"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"n_embd": 2049}, "not divisible"),
        ({"rotary_dim": 63}, "rotary_dim 63"),
        ({"qkv_groups": 3}, "groups"),
        ({"n_embd": "wide"}, "wrong type"),
    ],
)
def test_a_contradiction_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CodeGenConfig.from_dict(COMMON | PUBLISHED["1B"] | change)


def test_a_missing_key_is_named() -> None:
    raw = COMMON | PUBLISHED["1B"]
    del raw["n_head"]
    with pytest.raises(ConfigError, match="'n_head' is missing"):
        CodeGenConfig.from_dict(raw)
