"""CodeGen2-1B's own config.json and tokenizer, in each form that checkpoints are published in, converts and answers.

Only sizes are smaller; every other key and the whole vocabulary are the published ones.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import CodeGenConfig as PublishedConfig
from transformers import CodeGenForCausalLM

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.published_tokenizers import build_codegen2_tokenizer, load_gpt2_ranks
from cg2ls.engine import Engine, Request
from cg2ls.models.codegen2.special_tokens import CODEGEN2
from tests.cg2ls.models.codegen2.test_config_keys import CODEGEN2_1B

SMALLER = {
    "n_layer": 2,
    "n_embd": 64,
    "n_head": 4,
    "head_dim": 16,
    "rotary_dim": 16,
    "n_positions": 128,
    "n_ctx": 128,
}
CONFIG = CODEGEN2_1B | SMALLER
GROUPS = 4
"""Groups that transformers assumes; the published key `head_dim` of 128 would state 8."""

BIN, SHARD = "pytorch_model.bin", "pytorch_model-0000{}-of-00002.bin"


@pytest.fixture(scope="module")
def published():
    """Random weights of the network as transformers builds it from the published keys."""
    torch.manual_seed(0)
    return CodeGenForCausalLM(PublishedConfig(**CONFIG)).eval()


def write_bin(state, folder):
    torch.save(state, folder / BIN)


def write_old_bin(state, folder):
    torch.save(state, folder / BIN, _use_new_zipfile_serialization=False)


def write_half_bin(state, folder):
    torch.save({name: tensor.half() for name, tensor in state.items()}, folder / BIN)


def write_shards(state, folder):
    names, places = list(state), {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        torch.save({name: state[name] for name in part}, folder / SHARD.format(number))
        places |= dict.fromkeys(part, SHARD.format(number))
    (folder / f"{BIN}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def write_safetensors(state, folder):
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")


def write_with_masks(state, folder):
    """As checkpoints of transformers before 4.35: each layer's causal mask is saved too."""
    masks = {
        f"transformer.h.{layer}.attn.causal_mask": torch.tril(torch.ones(128, 128, dtype=torch.bool))[
            None, None
        ]
        for layer in range(CONFIG["n_layer"])
    }
    torch.save(state | masks, folder / BIN)


FORMS = (write_bin, write_old_bin, write_half_bin, write_shards, write_safetensors, write_with_masks)


@pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__.removeprefix("write_"))
def test_a_published_form_converts_and_answers_as_transformers_does(published, tmp_path, write):
    folder = tmp_path / "codegen2-1B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text(build_codegen2_tokenizer().to_str())
    write(published.state_dict(), folder)
    options = ConversionOptions(precision="fp32", qkv_groups=GROUPS, untrained=True)
    convert(folder, tmp_path / "model", options)
    with Engine.open(tmp_path / "model", threads=1) as engine:
        assert engine.tokenizer.special.mask(1) == CODEGEN2.mask(1)
        prompt = engine.tokenizer.encode("def add(a, b):\n    return")
        answer = [
            step.token
            for step in engine.complete(Request(prompt=prompt, max_tokens=4, ignore_stop_tokens=True))
        ]
    expected = published.generate(
        torch.tensor([prompt]), max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0
    )
    assert answer == expected[0, len(prompt) :].tolist()


@pytest.mark.parametrize("names", [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")])
def test_the_tokenizer_is_built_from_gpt2s_files_too(published, tmp_path, names):
    folder, ranks = tmp_path / "codegen2-1B", tmp_path / "gpt2"
    for made in (folder, ranks):
        made.mkdir()
    vocabulary, merges = load_gpt2_ranks()
    (ranks / names[0]).write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (ranks / names[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_bin(published.state_dict(), folder)
    convert(folder, tmp_path / "model", ConversionOptions(qkv_groups=GROUPS, untrained=True, gpt2=ranks))
    made = json.loads((tmp_path / "model" / "tokenizer.json").read_text(encoding="utf-8"))
    assert made == json.loads(build_codegen2_tokenizer().to_str())
    with Engine.open(tmp_path / "model", threads=1) as engine:
        steps = list(engine.complete(Request(prompt=[10, 11], max_tokens=3, ignore_stop_tokens=True)))
        assert np.isfinite([step.logprob for step in steps]).all()
        assert len(steps) == 3
