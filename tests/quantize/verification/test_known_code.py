"""Checkpoints that read known code badly, or in the wrong number of groups, are refused."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.cli import main
from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.comparison import compute_losses
from cg2_quantize.verification.heldout import compute_unigram_table, make_heldout_rows
from cg2_quantize.verification.known_code import check_known_code, check_qkv_groups, probe_qkv_groups
from cg2_quantize.verification.reference import build_reference_network
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer, ConfigError
from cg2ls.models.folder.facts import Facts


def as_int8(values):
    """What bitsandbytes stores of a matrix, without its scales."""
    return np.rint(values / np.abs(values).max(axis=1, keepdims=True) * 127).astype(np.float32)


DAMAGES = {
    "int8 without scales": lambda name, values: as_int8(values) if ".h." in name else values,
    "shuffled embedding": lambda name, values: np.roll(values, 7, axis=0) if "wte" in name else values,
    "zeros": lambda name, values: np.zeros_like(values),
}


def damaged(trained, folder, damage, *, claims):
    copy = shutil.copytree(trained, folder)
    tensors = load_file(copy / "model.safetensors")
    changed = {n: damage(n, values) if values.ndim == 2 else values for n, values in tensors.items()}
    save_file(changed, copy / "model.safetensors")
    if not claims:
        (copy / "cg2ls.json").unlink()
    return copy


@pytest.mark.parametrize("damage", DAMAGES)
def test_weights_of_another_kind_are_refused(trained, tmp_path, damage):
    copy = damaged(trained, tmp_path / "copy", DAMAGES[damage], claims=False)
    checkpoint = Checkpoint.open(copy)
    with pytest.raises(
        QuantizeError, match=r"hardly better than a table of token frequencies does .*--untrained"
    ):
        check_known_code(checkpoint, CodeTokenizer.load(checkpoint.tokenizer_path))


def test_weights_far_worse_than_they_claim_are_refused(trained, tmp_path):
    """Two of six layers read wrongly: still better than the table, but not what was measured."""
    hurt = damaged(
        trained,
        tmp_path / "copy",
        lambda name, values: np.zeros_like(values) if ".h.3." in name or ".h.4." in name else values,
        claims=True,
    )
    with pytest.raises(
        QuantizeError, match=r"bits per byte of known Python, but its cg2ls\.json states 0\.69"
    ):
        convert(hurt, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trained_checkpoint_beats_the_table_by_nats(trained):
    checkpoint = Checkpoint.open(trained)
    tokenizer = CodeTokenizer.load(checkpoint.tokenizer_path)
    known = check_qkv_groups(checkpoint, tokenizer, stated=True)
    row = make_heldout_rows(tokenizer, 512, 1)[0][1 : len(known) + 1]
    assert compute_unigram_table(tokenizer)[row].mean() - known.mean() > 2
    assert Facts.read(trained).languages["python"].bits_per_byte == pytest.approx(0.6852)
    check_known_code(checkpoint, tokenizer)
    check_known_code(checkpoint, tokenizer, known)


def test_the_table_is_the_frequencies_of_the_set(trained):
    tokenizer = CodeTokenizer.load(trained / "tokenizer.json")
    table = compute_unigram_table(tokenizer)
    assert len(table) == tokenizer.special.vocab_size
    assert math.exp(-table[tokenizer.encode("\n")[0]]) > 0.01, "a line's end is common"


def test_random_weights_are_converted_if_declared(checkpoint, tmp_path, capsys):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    facts = json.loads((copy / "cg2ls.json").read_text())
    assert facts.pop("untrained") is True, "the writer of random weights records it"
    (copy / "cg2ls.json").write_text(json.dumps(facts))
    words = [str(copy), "-o", str(tmp_path / "out"), "--proof", "none"]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "pass --untrained" in error
    assert error.count("\n") == 1
    assert main([*words, "--untrained"]) == 0


def opened(folder, **options):
    checkpoint = Checkpoint.open(folder, **options)
    return checkpoint, CodeTokenizer.load(checkpoint.tokenizer_path)


def test_the_wider_model_is_the_same_function(trained, trained_in_eight):
    found = []
    for folder in (trained, trained_in_eight):
        checkpoint, tokenizer = opened(folder)
        rows = [make_heldout_rows(tokenizer, 512, 1)[0][:64]]
        found += compute_losses(checkpoint.config, [build_reference_network(checkpoint)], rows)
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)


def test_eight_groups_read_as_four_are_refused(trained_in_eight, tmp_path):
    with pytest.raises(QuantizeError, match="pass --qkv-groups 8"):
        convert(trained_in_eight, tmp_path / "out", ConversionOptions(qkv_groups=4))
    assert not (tmp_path / "out").exists()


def test_the_right_number_passes_and_is_recorded(trained_in_eight):
    checkpoint, tokenizer = opened(trained_in_eight)
    probe = probe_qkv_groups(checkpoint, tokenizer)
    assert probe.right == 8
    assert probe.losses[4] > probe.losses[8] + 1
    check_qkv_groups(checkpoint, tokenizer, stated=False)


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


def test_with_random_weights_the_number_of_groups_must_be_given(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    del config["qkv_groups"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(QuantizeError, match=r"inconclusive .*--qkv-groups"):
        convert(copy, tmp_path / "out")
    convert(copy, tmp_path / "out", ConversionOptions(qkv_groups=8))
