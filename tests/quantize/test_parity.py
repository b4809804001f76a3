"""The graph computes what the published architecture computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import CodeGenForCausalLM

from cg2_quantize import ConversionOptions, convert, dequantize

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def reference(folders, tokens, tmp_path_factory) -> np.ndarray:
    """Logits of transformers' CodeGen, which reads four groups, on the regrouped weights."""
    again = tmp_path_factory.mktemp("regrouped") / "checkpoint"
    assert dequantize(folders["fp32"], again).qkv_groups == 4
    model = CodeGenForCausalLM.from_pretrained(again, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].numpy()


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def test_logits_match_without_past(folders, run, tokens, reference):
    assert distance(run(folders["fp32"])(tokens), reference) < TOLERANCE


def test_logits_match_one_token_at_a_time(folders, run, tokens, reference):
    model = run(folders["fp32"])
    steps = [model([token], start=position)[0] for position, token in enumerate(tokens)]
    assert distance(np.stack(steps), reference) < TOLERANCE


@pytest.mark.parametrize("size", [3, 8, 16])
def test_logits_match_in_chunks(folders, run, tokens, reference, size):
    model = run(folders["fp32"])
    chunks = [model(tokens[at : at + size], start=at) for at in range(0, len(tokens), size)]
    assert distance(np.concatenate(chunks), reference) < TOLERANCE


def test_logits_match_after_a_rollback(folders, run, tokens, reference):
    model = run(folders["fp32"])
    model([*tokens[:7], *reversed(tokens)])
    assert distance(model(tokens[7:], start=7), reference[7:]) < TOLERANCE


def test_only_the_requested_positions_are_computed(folders, run, tokens, reference):
    logits = run(folders["fp32"])(tokens, wanted=[19, 4])
    assert logits.shape == (2, reference.shape[1])
    assert distance(logits, reference[[19, 4]]) < TOLERANCE


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_wrong_group_count_is_wrong(checkpoint, run, tokens, reference, tmp_path, groups):
    convert(checkpoint, tmp_path / "wrong", ConversionOptions(precision="fp32", qkv_groups=groups))
    assert distance(run(tmp_path / "wrong")(tokens), reference) > 100 * TOLERANCE


def test_pytorch_model_of_training_agrees(checkpoint, folders, run, tokens):
    from cg2_training.model.codegen import CodeGen
    from cg2ls.models.codegen2 import Checkpoint

    source = Checkpoint.open(checkpoint)
    model = CodeGen(source.config)
    model.load_state_dict({name: torch.from_numpy(source.tensor(name)) for name in source.names()})
    with torch.no_grad():
        logits = model(torch.tensor([tokens]))[0].numpy()
    assert distance(run(folders["fp32"])(tokens), logits) < TOLERANCE


@pytest.mark.parametrize(("precision", "most"), [("int8", 0.04), ("int4", 0.2)])
def test_rounding_error_is_small(folders, run, tokens, reference, precision, most):
    logits = run(folders[precision])(tokens)
    error = np.linalg.norm(logits - reference) / np.linalg.norm(reference)
    assert 0 < error < most


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
@pytest.mark.parametrize("size", [2, 5, 20])
def test_token_is_bit_identical_in_any_call(folders, run, tokens, precision, size):
    together = run(folders[precision])(tokens)
    model = run(folders[precision])
    chunks = [model(tokens[at : at + size], start=at) for at in range(0, len(tokens), size)]
    np.testing.assert_array_equal(np.concatenate(chunks), together)


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_decoding_in_pairs_gives_the_bits_of_reading(folders, run, tokens, precision):
    """One token or one position alone takes another kernel; a pair of each does not."""
    together = run(folders[precision])(tokens)
    model = run(folders[precision])
    model(tokens[:4])
    steps = [model([*tokens[at : at + 1], 0], start=at, wanted=[0, 1])[:1] for at in range(4, len(tokens))]
    np.testing.assert_array_equal(np.concatenate(steps), together[4:])
