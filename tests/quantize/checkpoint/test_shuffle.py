"""Channels in another order: the same function, other blocks."""

from __future__ import annotations

import numpy as np
import pytest

from cg2_quantize import dequantize
from cg2_quantize.checkpoint.shuffle import shuffle_channels
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats.rounding import restore_blocks, round_blocks
from cg2_quantize.verification.comparison import run_through
from cg2_quantize.verification.reference import build_reference_network
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.models.codegen2.config import CODEGEN25
from cg2ls.models.folder import ModelDescription


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
