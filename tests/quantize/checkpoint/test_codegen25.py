"""CodeGen2.5's weights: Llama's network as in transformers, with its own tokens, in both directions."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2ls.engine import Engine, Request
from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, ConfigError
from cg2ls.models.codegen2.config import CODEGEN25
from cg2ls.models.folder import ModelDescription

TOLERANCE = 1e-3

CONFIG = CodeGenConfig(
    n_layer=2,
    n_embd=128,
    n_head=4,
    rotary_dim=32,
    n_positions=64,
    vocab_size=51200,
    n_inner=200,
    qkv_groups=1,
    layer_norm_epsilon=1e-6,
    family=CODEGEN25,
)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A random checkpoint in the published layout, with the published tokenizer."""
    folder = tmp_path_factory.mktemp("llama") / "codegen25"
    write_random_checkpoint(folder, CONFIG, seed=3)
    return folder


@pytest.fixture(scope="module")
def make(llama, tmp_path_factory):
    """Converts it; a repeated call returns the same folder."""
    made = {}

    def work(precision, **options):
        key = (precision, *options.items())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("codegen25") / precision
            convert(llama, made[key], ConversionOptions(precision=precision, **options))
        return made[key]

    return work


@pytest.fixture(scope="module")
def tokens():
    return [int(token) for token in np.random.default_rng(5).integers(0, CONFIG.vocab_size, 20)]


@pytest.fixture(scope="module")
def reference(llama, tokens):
    model = LlamaForCausalLM.from_pretrained(llama, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].numpy()


@pytest.fixture
def opened(run):
    """Opens one of its folders for running."""
    return partial(run, config=CONFIG)


def distance(a, b):
    return float(np.abs(a - b).max())


@pytest.mark.parametrize("options", [{}, {"portable": True}])
def test_logits_match_without_past(make, opened, tokens, reference, options):
    assert distance(opened(make("fp32", **options))(tokens), reference) < TOLERANCE


@pytest.mark.parametrize("size", [1, 3, 8, 16])
def test_logits_match_in_chunks(make, opened, tokens, reference, size):
    model = opened(make("fp32"))
    chunks = [model(tokens[at : at + size], start=at) for at in range(0, len(tokens), size)]
    assert distance(np.concatenate(chunks), reference) < TOLERANCE


@pytest.mark.parametrize("options", [{}, {"portable": True}])
def test_logits_match_after_a_rollback(make, opened, tokens, reference, options):
    model = opened(make("fp32", **options))
    model([*tokens[:7], *reversed(tokens)])
    assert distance(model(tokens[7:], start=7), reference[7:]) < TOLERANCE


def test_only_the_requested_positions_are_computed(make, opened, tokens, reference):
    logits = opened(make("fp32"))(tokens, wanted=[19, 4])
    assert distance(logits, reference[[19, 4]]) < TOLERANCE


@pytest.mark.parametrize(
    ("precision", "options", "most"),
    [
        ("int8", {}, 0.04),
        ("int8", {"portable": True}, 0.04),
        ("int8", {"kv": "int8"}, 0.06),
        ("int4", {}, 0.2),
        ("int4", {"portable": True}, 0.2),
        ("int4", {"calibrated": True}, 0.2),
        ("nf4", {}, 0.2),
    ],
)
def test_rounding_error_is_small(make, opened, tokens, reference, precision, options, most):
    dtype = np.int8 if "kv" in options else np.float32
    logits = opened(make(precision, **options), dtype=dtype)(tokens)
    assert 0 < np.linalg.norm(logits - reference) / np.linalg.norm(reference) < most


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_half_precision_graphs_compute_the_same(make, opened, tokens, reference, precision):
    folder = make(precision, target="cuda")
    logits = opened(folder, dtype=np.float16)(tokens)
    assert np.linalg.norm(logits - reference) / np.linalg.norm(reference) < 0.2


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_token_is_bit_identical_in_any_call(make, opened, tokens, precision):
    together = opened(make(precision))(tokens)
    model = opened(make(precision))
    chunks = [model(tokens[at : at + 5], start=at) for at in range(0, len(tokens), 5)]
    np.testing.assert_array_equal(np.concatenate(chunks), together)


def test_the_engine_fills_in_with_the_familys_own_tokens(make):
    model = ModelDescription.read(make("int8"))
    assert model.family == CODEGEN25
    with Engine.open(make("int8")) as engine:
        special = engine.tokenizer.special
        encode = engine.tokenizer.encode
        prompt = special.lay_out(encode("prefix"), encode("suffix"), [], fills_in=True)
        assert prompt == [40290, 51199, 37333, 844, 50256, 50317, 51199], "the publisher's vector"
        assert [special.is_stop(token) for token in (50318, 50317, 50256, 50319, 50316)] == [True] * 4 + [
            False
        ]
        assert len(list(engine.complete(Request(prompt=prompt, max_tokens=4, ignore_stop_tokens=True)))) == 4


def test_tokens_spelled_out_in_a_file_stay_text(make):
    with Engine.open(make("int8")) as engine:
        text = "read('<filename>', '<fim_prefix>')"
        ids = engine.tokenizer.encode(text)
        assert max(ids) < 50257
        assert engine.tokenizer.decode([*ids, 50295, 50299]) == text


@pytest.mark.parametrize("options", [{}, {"portable": True}])
def test_fp32_comes_back_bit_for_bit(make, llama, tmp_path, options):
    assert dequantize(make("fp32", **options), tmp_path / "again") == CONFIG
    before, after = Checkpoint.open(llama), Checkpoint.open(tmp_path / "again")
    for name in before.names():
        np.testing.assert_array_equal(after.tensor(name), before.tensor(name), err_msg=name)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_transformers_computes_with_the_rounded_values(make, opened, tokens, tmp_path, precision):
    dequantize(make(precision), tmp_path / "again")
    model = LlamaForCausalLM.from_pretrained(tmp_path / "again", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0].numpy()
    error = np.linalg.norm(opened(make(precision))(tokens) - expected) / np.linalg.norm(expected)
    assert error < 0.03, "what is left is the rounding of activations"


def test_a_proof_compares_it_with_its_checkpoint(llama, tmp_path):
    report = convert(llama, tmp_path / "model", ConversionOptions(precision="int4", proof="quick"))
    assert 0 < report.proof.kl_mean < 1
    assert report.proof.trained is False


def test_every_byte_is_counted(llama, tmp_path):
    told = []
    convert(llama, tmp_path / "model", on_progress=told.append)
    assert sum(told) == 4 * CONFIG.n_parameters


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"num_key_value_heads": 2},
            r"k_proj.weight has shape \[128, 128\], but config.json implies \[64, 128\]",
        ),
        ({"tie_word_embeddings": True}, "ties the head to the embedding"),
        ({"rope_theta": -1.0}, "rope_theta is -1.0, but must be a positive number"),
        ({"rope_parameters": {"rope_theta": 10000.0, "rope_type": "yarn"}}, "'yarn'"),
        ({"attention_bias": True}, "attention_bias"),
    ],
)
def test_another_llama_is_refused(llama, tmp_path, change, says):
    copy = shutil.copytree(llama, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(Cg2Error, match=says):
        convert(copy, tmp_path / "out")


def test_groups_are_not_for_it(llama, tmp_path):
    with pytest.raises(ConfigError, match="leave --qkv-groups out"):
        convert(llama, tmp_path / "out", ConversionOptions(qkv_groups=8))


def test_the_published_shape():
    published = replace(
        CONFIG, n_layer=32, n_embd=4096, n_head=32, rotary_dim=128, n_positions=2048, n_inner=11008
    )
    assert CodeGenConfig.from_dict(published.to_dict(end_of_text_id=50256)) == published
    assert published.n_parameters == 6_895_702_016
