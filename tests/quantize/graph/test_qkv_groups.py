"""The loss on known code says whether the attention weights were read with the right number of groups."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from cg2_quantize import convert
from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.qkv_groups import check_groups, probe_groups
from cg2_quantize.verification.heldout import heldout_rows
from cg2_quantize.verification.reference import reference_network
from cg2_quantize.verification.stream import losses
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer, ConfigError


def opened(folder, **options):
    checkpoint = Checkpoint.open(folder, **options)
    return checkpoint, CodeTokenizer.load(checkpoint.tokenizer_path)


def test_the_wider_model_is_the_same_function(trained, trained_in_eight):
    found = []
    for folder in (trained, trained_in_eight):
        checkpoint, tokenizer = opened(folder)
        rows = [heldout_rows(tokenizer, 512, 1)[0][:64]]
        found += losses(checkpoint.config, [reference_network(checkpoint)], rows)
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)


def test_eight_groups_read_as_four_are_refused(trained_in_eight, tmp_path):
    with pytest.raises(QuantizeError, match="pass --qkv-groups 8"):
        convert(trained_in_eight, tmp_path / "out", qkv_groups=4)
    assert not (tmp_path / "out").exists()


def test_the_right_number_passes_and_is_recorded(trained_in_eight):
    checkpoint, tokenizer = opened(trained_in_eight)
    probe = probe_groups(checkpoint, tokenizer)
    assert probe.right == 8
    assert probe.losses[4] > probe.losses[8] + 1
    check_groups(checkpoint, tokenizer, stated=False)


def test_a_published_config_that_implies_the_wrong_number(trained_in_eight, tmp_path):
    """As if a 1B checkpoint came without the key `head_dim`: 4 is implied, and contradicted."""
    copy = shutil.copytree(trained_in_eight, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    del config["qkv_groups"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(QuantizeError, match="not laid out in 4 qkv groups"):
        convert(copy, tmp_path / "out")
    (copy / "config.json").write_text(json.dumps(config | {"head_dim": 128}))
    with pytest.raises(ConfigError, match="head_dim is 128, but n_embd 1024 over n_head 16 is 64"):
        convert(copy, tmp_path / "out")


def test_random_weights_tell_nothing_so_the_number_must_be_named(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    del config["qkv_groups"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(QuantizeError, match=r"inconclusive .*--qkv-groups"):
        convert(copy, tmp_path / "out")
    convert(copy, tmp_path / "out", qkv_groups=8)
