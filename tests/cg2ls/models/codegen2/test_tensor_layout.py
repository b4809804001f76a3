"""CodeGen2.5's layout: Llama's config.json and tensors, read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.models.codegen2 import Checkpoint, CheckpointError, CodeGenConfig, ConfigError, write_checkpoint
from cg2ls.models.codegen2.checkpoint import tensor_shapes
from cg2ls.models.codegen2.config import CODEGEN25
from cg2ls.models.codegen2.tensor_layout import adjacent_pairs, split_pairs

PUBLISHED: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "vocab_size": 51200,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
}
"""Configuration of `Salesforce/codegen25-7b-multi_P`."""

SMALL = PUBLISHED | {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "vocab_size": 10,
}


def test_the_published_shape() -> None:
    config = CodeGenConfig.from_dict(PUBLISHED)
    assert (config.family, config.head_dim, config.rotary_dim, config.qkv_groups) == (CODEGEN25, 128, 128, 1)
    assert config.n_parameters == 6_895_702_016
    assert sum(int(np.prod(shape)) for shape in tensor_shapes(config).values()) == config.n_parameters


def test_written_file_is_read_back(tmp_path: Path) -> None:
    config = CodeGenConfig.from_dict(SMALL)
    assert CodeGenConfig.from_dict(config.to_dict(end_of_text_id=9)) == config
    random = np.random.default_rng(0)
    tensors = {
        name: random.standard_normal(shape, dtype=np.float32) for name, shape in tensor_shapes(config).items()
    }
    write_checkpoint(tmp_path / "c", config, tensors, "{}", end_of_text_id=9)
    again = Checkpoint.open(tmp_path / "c")
    assert again.config == config
    assert all(np.array_equal(again.tensor(name), values) for name, values in tensors.items())
    del tensors["model.layers.0.mlp.up_proj.weight"]
    with pytest.raises(CheckpointError, match=r"mlp\.up_proj\.weight must be given"):
        write_checkpoint(tmp_path / "d", config, tensors, "{}", end_of_text_id=9)


def test_a_missing_key_is_named() -> None:
    raw = {key: value for key, value in PUBLISHED.items() if key != "intermediate_size"}
    with pytest.raises(ConfigError, match="'intermediate_size' is missing"):
        CodeGenConfig.from_dict(raw)


@given(heads=st.integers(1, 4), pairs=st.integers(1, 5))
def test_rotated_channels_are_brought_together_and_back(heads: int, pairs: int) -> None:
    d = heads * 2 * pairs
    rows = np.arange(d, dtype=np.float32)[:, None] + np.zeros((d, d), np.float32)
    together = adjacent_pairs(rows, heads)
    first = together[: 2 * pairs : 2, 0]
    np.testing.assert_array_equal(together[1 : 2 * pairs : 2, 0] - first, pairs)
    np.testing.assert_array_equal(split_pairs(together, heads), rows)
