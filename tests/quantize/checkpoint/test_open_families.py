"""Llama and Qwen2 as in transformers: shared keys and values, biases, tied heads, rotary scaling."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2_quantize.checkpoint.sources import complete_infill
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.cli import main
from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.session import DocumentSession
from cg2ls.engine import Engine, Request
from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, SpecialTokens
from cg2ls.models.codegen2.config import LLAMA, QWEN2
from cg2ls.models.codegen2.infill_tokens import StatedLayout
from cg2ls.models.codegen2.rotary import RotaryScaling
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.facts import Facts

TOLERANCE = 1e-3
HEAD_DIM = 32
LAYERS = 2
VOCABULARY = 512

LINEAR = RotaryScaling(kind="linear", factor=4.0)
LLAMA3 = RotaryScaling(kind="llama3", factor=8.0, original_positions=24)


def shape(n_head: int, n_kv_head: int | None, family: str, **other: Any) -> CodeGenConfig:
    """A published model's heads and rotation; layers, the width of a head and the vocabulary are smaller."""
    small = {"n_layer": LAYERS, "n_positions": 64, "vocab_size": VOCABULARY, "n_inner": 160}
    return CodeGenConfig(
        **(small | other),
        n_embd=n_head * HEAD_DIM,
        n_head=n_head,
        n_kv_head=n_kv_head,
        rotary_dim=HEAD_DIM,
        qkv_groups=1,
        layer_norm_epsilon=1e-6,
        family=family,
    )


SHAPES = {
    "qwen2.5-coder-0.5b": shape(14, 2, QWEN2, rotary_base=1e6),
    "qwen2.5-coder-1.5b": shape(12, 2, QWEN2, rotary_base=1e6),
    "qwen2.5-coder-7b": shape(28, 4, QWEN2, rotary_base=1e6),
    "deepseek-coder-1.3b": shape(16, None, LLAMA, rotary_base=1e5, rotary_scaling=LINEAR),
    "mellum-4b": shape(24, None, LLAMA, rotary_base=5e5),
    "llama-3.2-1b": shape(32, 8, LLAMA, rotary_base=5e5, rotary_scaling=LLAMA3),
}
OTHER_SHAPES = {"wide-context": shape(4, 2, QWEN2, n_positions=1024, vocab_size=900)}
TIED = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "llama-3.2-1b")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Returns a random checkpoint of a published model's kind, its head tied where the published one is."""
    made = {}

    def work(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("open") / name
            write_random_checkpoint(made[name], (SHAPES | OTHER_SHAPES)[name], seed=4)
            if name in TIED:
                tie(made[name])
        return made[name]

    return work


def tie(folder):
    """Remove the head from a checkpoint and let config.json declare that the embedding replaces it."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))


@pytest.fixture(scope="module")
def make(checkpoint, tmp_path_factory):
    """Converts one; a repeated call returns the same folder."""
    made = {}

    def work(name, precision="fp32", **options):
        key = (name, precision, *options.items())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("models") / name
            convert(checkpoint(name), made[key], ConversionOptions(precision=precision, **options))
        return made[key]

    return work


@pytest.fixture(scope="module")
def tokens():
    return [int(token) for token in np.random.default_rng(6).integers(0, VOCABULARY, 40)]


@pytest.fixture(scope="module")
def reference(checkpoint, tokens):
    """Returns transformers' logits, [tokens, vocabulary]."""
    found = {}

    def work(name):
        if name not in found:
            found[name] = logits_of(checkpoint(name), tokens)
        return found[name]

    return work


def logits_of(folder, tokens):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].numpy()


@pytest.fixture
def opened(run):
    """Opens a folder for running."""
    return lambda name, folder, **options: partial(run, config=SHAPES[name])(folder, **options)


def distance(found, expected):
    return float(np.abs(found - expected).max())


def relative(found, expected):
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("name", SHAPES)
def test_it_computes_as_transformers(make, opened, tokens, reference, name):
    model, expected = opened(name, make(name)), reference(name)
    assert distance(model(tokens), expected) < TOLERANCE, "whole"
    chunks = [model(tokens[at : at + 7], start=at) for at in range(0, len(tokens), 7)]
    assert distance(np.concatenate(chunks), expected) < TOLERANCE, "in chunks"
    model([*tokens[:9], *reversed(tokens[9:30])])
    assert distance(model(tokens[9:], start=9), expected[9:]) < TOLERANCE, "after a rollback"
    assert distance(model(tokens, wanted=[30, 4]), expected[[30, 4]]) < TOLERANCE, "only rows asked for"


@pytest.mark.parametrize("name", ["qwen2.5-coder-0.5b", "llama-3.2-1b"])
def test_standard_operators_compute_the_same(make, opened, tokens, reference, name):
    assert distance(opened(name, make(name, portable=True))(tokens), reference(name)) < TOLERANCE


@pytest.mark.parametrize(
    ("precision", "options", "most"),
    [("int8", {}, 0.04), ("int8", {"kv": "int8"}, 0.06), ("int4", {}, 0.2), ("nf4", {}, 0.2)],
)
def test_rounding_error_is_small(make, opened, tokens, reference, precision, options, most):
    name = "qwen2.5-coder-0.5b"
    dtype = np.int8 if "kv" in options else np.float32
    found = opened(name, make(name, precision, **options), dtype=dtype)(tokens)
    assert 0 < relative(found, reference(name)) < most


def test_half_precision_graphs_compute_the_same(make, opened, tokens, reference):
    name = "qwen2.5-coder-0.5b"
    found = opened(name, make(name, "fp16", target="cuda"), dtype=np.float16)(tokens)
    assert relative(found, reference(name)) < 0.2


@pytest.mark.parametrize("name", ["qwen2.5-coder-1.5b", "deepseek-coder-1.3b", "llama-3.2-1b"])
def test_fp32_comes_back_bit_for_bit(make, checkpoint, tokens, reference, tmp_path, name):
    written = dequantize(make(name), tmp_path / "again")
    assert written == SHAPES[name], "with a head of its own, which equals the embedding where it was tied"
    before, after = Checkpoint.open(checkpoint(name)), Checkpoint.open(tmp_path / "again")
    for tensor in before.names():
        np.testing.assert_array_equal(after.tensor(tensor), before.tensor(tensor), err_msg=tensor)
    assert distance(logits_of(tmp_path / "again", tokens), reference(name)) < TOLERANCE


def test_int8_comes_back_with_the_rounded_values(make, opened, tokens, tmp_path):
    name = "qwen2.5-coder-0.5b"
    dequantize(make(name, "int8"), tmp_path / "again")
    expected = logits_of(tmp_path / "again", tokens)
    assert relative(opened(name, make(name, "int8"))(tokens), expected) < 0.03


def test_every_byte_is_counted(checkpoint, tmp_path):
    read = []
    convert(checkpoint("qwen2.5-coder-0.5b"), tmp_path / "model", on_progress=read.append)
    assert sum(read) == 4 * SHAPES["qwen2.5-coder-0.5b"].n_parameters


def test_the_description_has_what_engine_and_dequantize_need(make):
    model = ModelDescription.read(make("llama-3.2-1b"))
    assert (model.family, model.architecture.kv_heads) == (LLAMA, 8)
    assert model.architecture.rotary_base == 5e5
    assert model.architecture.rotary_scaling == LLAMA3
    assert model.infill.objectives == ("causal", "fim")
    assert ModelDescription.from_dict(model.to_dict()) == model


def test_the_engine_serves_it_and_keeps_the_cache(make):
    with Engine.open(make("qwen2.5-coder-0.5b", "int8")) as engine:
        encode, special = engine.tokenizer.encode, engine.tokenizer.special
        before = special.lay_out(encode("def f():\n"), encode("\n\nx"), encode("    re"), fills_in=True)
        list(engine.complete(Request(prompt=before, max_tokens=2)))
        list(engine.complete(Request(prompt=[*before, *encode("t")], max_tokens=2)))
        assert engine.last.reused_tokens >= len(before) - 1, "a typed key costs only its own tokens"


@pytest.mark.parametrize("stated", ["psm", "spm", "spm:<|fim_prefix|>,<|fim_suffix|>,<|fim_middle|>"])
def test_typing_reads_only_the_typed_tokens(checkpoint, tmp_path, stated):
    folder = tmp_path / "model"
    options = ConversionOptions(precision="int8", infill=StatedLayout.parse(stated))
    convert(checkpoint("wide-context"), folder, options)
    assert ModelDescription.read(folder).tokens.fim.order == stated[:3]
    above = "".join(f"value_{number} = read({number})\n" for number in range(12))
    line, below = "total = value_3 + value_4", "\n\nprint(total)\n"
    with Engine.open(folder) as engine:
        session = DocumentSession(engine, "python", CompletionOptions(min_confidence=0.0, choose="greedy"))
        read = []
        for keys in range(1, len(line) + 1):
            text = above + line[:keys]
            session.complete(text + below, len(text), "invoked")
            read.append(engine.last.prompt_tokens - engine.last.reused_tokens)
    assert read[0] > 100, "the whole prompt once"
    assert max(read[1:]) <= len("value_4") + 2, "then at most the word that is typed"


def test_a_tokenizer_without_infill_tokens_is_served_as_continuation(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint("qwen2.5-coder-0.5b"), tmp_path / "plain")
    text = (copy / "tokenizer.json").read_text().replace("fim_", "not_")
    (copy / "tokenizer.json").write_text(text)
    report = convert(copy, tmp_path / "model")
    assert "no infill tokens, so it only continues the text before the cursor" in report.notice
    model = ModelDescription.read(tmp_path / "model")
    assert (model.tokens.fim, model.infill.fills_in) == (None, False)
    with Engine.open(tmp_path / "model") as engine:
        assert len(list(engine.complete(Request(prompt=[1, 2], max_tokens=2, ignore_stop_tokens=True)))) == 2


def test_a_blank_that_sentencepiece_adds_becomes_the_document_header(tmp_path):
    special = SpecialTokens(vocab_size=9, end_of_text=0, sep=0, eom=0, n_masks=0)
    prepend = {"type": "Prepend", "prepend": "\u2581"}
    for normalizer, header in ((prepend, " "), ({"type": "NFC"}, ""), (None, "")):
        (tmp_path / "tokenizer.json").write_text(json.dumps({"normalizer": normalizer}))
        assert complete_infill(Facts(), special, tmp_path).document_header == header


def test_the_command_takes_a_layout_and_proves_the_conversion(checkpoint, tmp_path, capsys):
    words = [str(checkpoint("wide-context")), "-o", str(tmp_path / "model"), "--format", "int4"]
    assert main([*words, "--infill", "fim"]) == 1
    assert "'fim' is no infill layout" in capsys.readouterr().err
    assert main([*words, "--infill", "spm", "--proof", "quick"]) == 0
    assert "mean KL" in capsys.readouterr().out
    assert ModelDescription.read(tmp_path / "model").tokens.fim.order == "spm"


def test_a_chat_model_is_named(checkpoint, tmp_path):
    for name, says in (("coder-1.5b-instruct", "is tuned for chat"), ("coder-1.5b", "")):
        options = ConversionOptions(name=name, force=True)
        notice = convert(checkpoint("qwen2.5-coder-1.5b"), tmp_path / "model", options).notice
        assert says in notice
        assert bool(says) == bool(notice)


def test_a_layout_is_not_for_codegen2(tmp_path):
    config = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, rotary_dim=16, n_positions=64, vocab_size=384, n_inner=96
    )
    write_random_checkpoint(tmp_path / "codegen2", config)
    with pytest.raises(Cg2Error, match="CodeGen2's tokens, whose layout is known; leave --infill out"):
        convert(tmp_path / "codegen2", tmp_path / "out", ConversionOptions(infill=StatedLayout("spm")))


def test_genai_is_not_for_other_vocabularies(checkpoint, tmp_path):
    with pytest.raises(Cg2Error, match="--genai describes CodeGen2's tokenizer"):
        convert(checkpoint("qwen2.5-coder-0.5b"), tmp_path / "out", ConversionOptions(genai=True))


def test_qwen2_needs_its_own_tokenizer(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint("qwen2.5-coder-0.5b"), tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(Cg2Error, match=r"has no tokenizer\.json; download it"):
        convert(copy, tmp_path / "out")


def test_long_context_is_used_only_on_request(tmp_path):
    config = replace(shape(2, 1, QWEN2), n_positions=8192)
    write_random_checkpoint(tmp_path / "long", config)
    for asked, taken in ((None, 2048), (4096, 4096), (20000, 8192)):
        options = ConversionOptions(context=asked, force=True)
        convert(tmp_path / "long", tmp_path / "model", options)
        assert ModelDescription.read(tmp_path / "model").context_length == taken


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("qwen2.5-coder-0.5b", {"use_sliding_window": True}, "use_sliding_window is True"),
        ("qwen2.5-coder-0.5b", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rotary scaling is 'yarn'"),
        ("qwen2.5-coder-0.5b", {"model_type": "qwen2_moe", "num_experts": 60}, "a mixture of experts"),
        ("qwen2.5-coder-0.5b", {"model_type": "qwen2_vl", "vision_config": {}}, "text and images"),
        ("qwen2.5-coder-0.5b", {"use_mrope": True}, "use_mrope is True, but Qwen2 has False"),
        ("qwen2.5-coder-0.5b", {"tie_word_embeddings": False}, "lm_head.weight is missing"),
        ("llama-3.2-1b", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "has no low_freq_factor"),
        ("llama-3.2-1b", {"rope_scaling": {"rope_type": "linear", "factor": 0}}, "factor is 0"),
        ("llama-3.2-1b", {"sliding_window": 4096}, "sliding_window is 4096"),
        ("llama-3.2-1b", {"attention_bias": True}, "attention_bias is True"),
        ("llama-3.2-1b", {"num_key_value_heads": 5}, "cannot share 5 heads"),
    ],
)
def test_another_network_is_refused_by_name(checkpoint, tmp_path, name, change, says):
    copy = shutil.copytree(checkpoint(name), tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(Cg2Error, match=says):
        convert(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


PUBLISHED = {
    "Qwen/Qwen2.5-Coder-0.5B": (
        {"hidden_size": 896, "intermediate_size": 4864, "num_attention_heads": 14, "num_hidden_layers": 24},
        {
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "vocab_size": 151936,
            "max_window_layers": 24,
        },
        494_032_768 + 896 * 151936,
    ),
    "Qwen/Qwen2.5-Coder-7B": (
        {"hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28, "num_hidden_layers": 28},
        {
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
            "vocab_size": 152064,
            "max_window_layers": 28,
        },
        7_615_616_512,
    ),
}
"""Sizes, and parameters as published; a tied head counts as a separate matrix here."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_shapes(name):
    sizes, other, parameters = PUBLISHED[name]
    raw = (
        sizes
        | other
        | {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "attention_dropout": 0.0,
            "bos_token_id": 151643,
            "eos_token_id": 151643,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 32768,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "use_mrope": False,
            "use_sliding_window": False,
        }
    )
    config = CodeGenConfig.from_dict(raw)
    assert config.n_parameters == parameters
    assert replace(CodeGenConfig.from_dict(config.to_dict(end_of_text_id=151643)), tied=config.tied) == config
