"""A checkpoint that cannot be converted is refused in one sentence, with status 1, and nothing is written.

Every case goes through the command line, as a user would meet it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.cli import main
from cg2_quantize.planning import machine
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.codegen2.config import QWEN2
from cg2ls.models.codegen2.files import INDEX, PICKLED_INDEX, PICKLED_SINGLE, SINGLE

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:49e82b23\nsize 4128380705\n"

LAYER = "transformer.h.0.mlp.fc_in"
ROWS, COLUMNS = 200, 256
"""Shape of that layer's weight."""


@pytest.fixture
def copy(checkpoint, tmp_path):
    """The random checkpoint, for this test only."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


@pytest.fixture
def refuse(tmp_path, capsys, monkeypatch):
    """Runs a command that must fail, checks how it fails, and returns its sentence."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def run(*words, notes=0):
        before = sorted(path for path in tmp_path.rglob("*"))
        assert main([str(word) for word in words]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        *before_it, sentence = said.err.splitlines()
        assert len(before_it) == notes, said.err
        assert sentence.startswith("cg2-quantize: ")
        assert sentence.endswith(".")
        assert sorted(path for path in tmp_path.rglob("*")) == before, "nothing is written or left"
        return sentence

    return run


@pytest.fixture
def convert_fails(refuse, tmp_path):
    """Converts a checkpoint that must be refused."""
    return lambda folder, *options, **notes: refuse(
        folder, "-o", tmp_path / "out", "--untrained", *options, **notes
    )


def claim(folder, **keys):
    """Put keys into config.json."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))


def replace_layer(folder, tensors, *, as_bin=False):
    """Put other tensors in place of a layer's weight."""
    stored = load_file(folder / SINGLE)
    del stored[f"{LAYER}.weight"]
    stored |= {f"{LAYER}{ending}": tensor for ending, tensor in tensors.items()}
    if as_bin:
        (folder / SINGLE).unlink()
        torch.save(stored, folder / PICKLED_SINGLE)
    else:
        save_file(stored, folder / SINGLE)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("activation_function", "relu", "activation_function is 'relu', but CodeGen2 has 'gelu_new'"),
        ("activation_function", "gelu", "activation_function is 'gelu'"),
        ("layer_norm_epsilon", 0, "the norms' epsilon is 0.0, but must be a small positive number"),
        ("layer_norm_epsilon", -1e-5, "the norms' epsilon is -1e-05"),
        ("layer_norm_epsilon", "1e-5", "layer_norm_epsilon is '1e-5', but must be a number"),
        ("layer_norm_epsilon", True, "layer_norm_epsilon is True, but must be a number"),
        ("rms_norm_eps", 1e-6, "the key 'rms_norm_eps' (1e-06) is not known here"),
        ("scale_attn_weights", False, "scale_attn_weights is False, but CodeGen2 has True"),
        ("scale_attn_by_inverse_layer_idx", True, "scale_attn_by_inverse_layer_idx is True"),
        ("use_parallel_residual", False, "use_parallel_residual is False"),
        ("n_ctx", 32, "n_ctx is 32, but n_positions is 64"),
        ("intermediate_size", 1024, "intermediate_size is 1024, but n_inner is 200"),
        ("head_dim", 64, "head_dim is 64, but n_embd 256 over n_head 8 is 32"),
        ("head_dim", 32.5, "head_dim is 32.5, but must be a whole number"),
        ("num_key_value_heads", 2, "num_key_value_heads is 2, but n_head is 8"),
        ("n_layer", 3, "transformer.h.2.ln_1.weight is missing"),
        ("n_layer", 1, "has no place for (transformer.h.1."),
        ("n_inner", 100, "has shape [200, 256], but config.json implies [100, 256]"),
        ("vocab_size", 400, "but config.json implies [400, 256]"),
        ("rope_theta", 5e5, "rope_theta is 500000.0"),
        ("rope_scaling", {"type": "linear", "factor": 2.0}, "rope_scaling is"),
        ("sliding_window", 16, "sliding_window is 16"),
        ("tie_word_embeddings", True, "lm_head.weight differs"),
        ("attention_bias", True, "attention_bias is True"),
        ("final_logit_softcapping", 30.0, "final_logit_softcapping is 30.0"),
        ("is_encoder_decoder", True, "is_encoder_decoder is True"),
        ("architectures", ["CodeGenForSequenceClassification"], "architectures is"),
        ("model_type", "gptj", "model_type is 'gptj'"),
        ("alibi", True, "the key 'alibi' (True) is not known here"),
        ("logits_scaling", 8.0, "the key 'logits_scaling' (8.0) is not known here"),
        ("residual_multiplier", 0.22, "the key 'residual_multiplier'"),
        ("embedding_multiplier", 12, "the key 'embedding_multiplier'"),
        ("attention_multiplier", 0.1, "the key 'attention_multiplier'"),
        ("qk_layernorm", True, "the key 'qk_layernorm'"),
        ("multi_query", True, "the key 'multi_query'"),
    ],
)
def test_a_contradiction_between_config_and_graph(copy, convert_fails, key, value, says):
    claim(copy, **{key: value})
    assert says in convert_fails(copy)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hidden_act", "relu", "hidden_act is 'relu', but Qwen2 has 'silu'"),
        ("rms_norm_eps", 0, "the norms' epsilon is 0.0"),
        ("rms_norm_eps", "1e-6", "rms_norm_eps is '1e-6', but must be a number"),
        ("head_dim", 64.0, "head_dim is 64.0, but must be a whole number"),
        ("num_key_value_heads", 1, "model.layers.0.self_attn.k_proj.weight has shape"),
        ("use_sliding_window", True, "use_sliding_window is True"),
        ("num_experts", 8, "the key 'num_experts' (8) is not known here"),
        ("logit_scale", 0.06, "the key 'logit_scale'"),
    ],
)
def test_a_contradiction_in_another_family(tmp_path, convert_fails, key, value, says):
    shape = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, n_kv_head=2, rotary_dim=16, n_positions=64, vocab_size=400, n_inner=96,
        qkv_groups=1, family=QWEN2,
    )  # fmt: skip
    write_random_checkpoint(tmp_path / "copy", shape)
    claim(tmp_path / "copy", **{key: value})
    assert says in convert_fails(tmp_path / "copy")


def int32(*shape):
    return torch.zeros(shape, dtype=torch.int32)


def packed(*shape):
    return torch.zeros(shape, dtype=torch.uint8)


QUANTIZED = {
    "bitsandbytes-int8": (
        {".weight": torch.ones(ROWS, COLUMNS, dtype=torch.int8), ".SCB": torch.ones(ROWS)},
        "bitsandbytes' int8",
    ),
    "bitsandbytes-int8-as-floats": (
        {".weight": torch.ones(ROWS, COLUMNS), ".SCB": torch.ones(ROWS)},
        "bitsandbytes' int8",
    ),
    "bitsandbytes-nf4": (
        {
            ".weight": packed(ROWS * COLUMNS // 2, 1),
            ".weight.absmax": torch.ones(ROWS * COLUMNS // 64),
            ".weight.quant_map": torch.ones(16),
            ".weight.quant_state.bitsandbytes__nf4": packed(80),
        },
        "bitsandbytes'",
    ),
    "gptq": (
        {
            ".qweight": int32(COLUMNS // 8, ROWS),
            ".qzeros": int32(2, ROWS // 8),
            ".scales": torch.ones(2, ROWS).half(),
            ".g_idx": int32(COLUMNS),
        },
        "GPTQ",
    ),
    "awq": (
        {
            ".qweight": int32(COLUMNS, ROWS // 8),
            ".qzeros": int32(2, ROWS // 8),
            ".scales": torch.ones(2, ROWS).half(),
        },
        "GPTQ or AWQ",
    ),
    "fp8-by-block": (
        {
            ".weight": torch.ones(ROWS, COLUMNS).to(torch.float8_e4m3fn),
            ".weight_scale_inv": torch.ones(2, 2),
        },
        "FP8",
    ),
    "fp8-by-tensor": (
        {
            ".weight": torch.ones(ROWS, COLUMNS).to(torch.float8_e5m2),
            ".weight_scale": torch.ones(1),
            ".input_scale": torch.ones(1),
        },
        "FP8",
    ),
    "fp8-without-scales": ({".weight": torch.ones(ROWS, COLUMNS).to(torch.float8_e4m3fn)}, "FP8"),
    "mxfp4": ({"_blocks": packed(ROWS, COLUMNS // 32, 16), "_scales": packed(ROWS, COLUMNS // 32)}, "MXFP4"),
    "compressed-tensors": (
        {".weight_packed": int32(ROWS, COLUMNS // 8), ".weight_scale": torch.ones(ROWS, 2)},
        "compressed-tensors",
    ),
    "hqq": ({".W_q": packed(ROWS, COLUMNS // 2), ".meta": torch.ones(3)}, "HQQ"),
    "int8-alone": ({".weight": torch.ones(ROWS, COLUMNS, dtype=torch.int8)}, "int8"),
}
"""Tensors that stand for a quantized layer, as its tool saves them, and the name that must be given."""


@pytest.mark.parametrize("as_bin", [False, True], ids=["safetensors", "bin"])
@pytest.mark.parametrize("kind", QUANTIZED)
def test_quantized_weights_are_named(copy, convert_fails, kind, as_bin):
    tensors, method = QUANTIZED[kind]
    replace_layer(copy, tensors, as_bin=as_bin)
    said = convert_fails(copy)
    assert f"is quantized already: {method}" in said
    assert said.endswith("convert the float checkpoint it was made from.")
    assert "damaged" not in said
    assert "download" not in said


@pytest.mark.parametrize(
    ("stated", "method"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "GPTQ"),
        ({"quant_method": "awq", "version": "gemm"}, "AWQ"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "FP8"),
        ({"quant_method": "mxfp4"}, "MXFP4"),
        ({"quant_method": "a_new_one"}, "a_new_one"),
        ({"bits": 4}, "an unnamed method"),
    ],
)
def test_a_config_that_states_a_quantization_is_believed(copy, convert_fails, stated, method):
    claim(copy, quantization_config=stated)
    assert f"is quantized already: {method} (quantization_config in config.json)" in convert_fails(copy)


def split(folder, *, as_bin):
    """Save the weights in two files with an index."""
    stored = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    names = list(stored)
    kind = ("pytorch_model", "bin") if as_bin else ("model", "safetensors")
    places = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"{kind[0]}-0000{number}-of-00002.{kind[1]}"
        tensors = {name: stored[name] for name in part}
        torch.save(tensors, folder / file) if as_bin else save_file(tensors, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / (PICKLED_INDEX if as_bin else INDEX)).write_text(json.dumps({"weight_map": places}))


def to_bin(folder):
    torch.save(load_file(folder / SINGLE), folder / PICKLED_SINGLE)
    (folder / SINGLE).unlink()


def to_ranks(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2}')
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")


FORMS = {
    "config.json": lambda folder: None,
    "tokenizer.json": lambda folder: None,
    "cg2ls.json": lambda folder: None,
    SINGLE: lambda folder: None,
    INDEX: partial(split, as_bin=False),
    "model-00002-of-00002.safetensors": partial(split, as_bin=False),
    PICKLED_SINGLE: to_bin,
    PICKLED_INDEX: partial(split, as_bin=True),
    "pytorch_model-00001-of-00002.bin": partial(split, as_bin=True),
    "vocab.json": to_ranks,
    "merges.txt": to_ranks,
}
"""Files that may be pointers, and the form of checkpoint that has them."""


@pytest.mark.parametrize("name", FORMS)
def test_an_lfs_pointer_is_named(copy, convert_fails, name):
    FORMS[name](copy)
    (copy / name).write_text(POINTER)
    said = convert_fails(copy)
    expected = f"{copy / name} is a Git LFS pointer, not the file itself: run `git lfs pull` in that folder."
    assert said == f"cg2-quantize: {expected}"


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "encoder.json", "vocab.bpe"])
def test_an_lfs_pointer_in_the_tokenizers_folder_is_named(copy, tmp_path, convert_fails, name):
    (copy / "tokenizer.json").unlink()
    ranks = tmp_path / "gpt2"
    ranks.mkdir()
    names = (
        ("vocab.json", "merges.txt")
        if name in ("vocab.json", "merges.txt")
        else ("encoder.json", "vocab.bpe")
    )
    (ranks / names[0]).write_text('{"a": 0, "b": 1, "ab": 2}')
    (ranks / names[1]).write_text("#version: 0.2\na b\n")
    (ranks / name).write_text(POINTER)
    assert f"{ranks / name} is a Git LFS pointer" in convert_fails(copy, "--tokenizer", ranks)


@pytest.mark.parametrize("present", ["vocab.json", "merges.txt"])
def test_half_a_vocabulary_is_named(copy, convert_fails, present):
    to_ranks(copy)
    other = {"vocab.json": "merges.txt", "merges.txt": "vocab.json"}[present]
    (copy / other).unlink()
    assert f"{copy / present} has no {other} beside it" in convert_fails(copy)


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "model.onnx.data", "tokenizer.json"])
def test_an_lfs_pointer_in_a_model_folder_is_named(folders, tmp_path, refuse, name):
    given = shutil.copytree(folders["int8"], tmp_path / "given")
    (given / name).write_text(POINTER)
    said = refuse("dequantize", given, "-o", tmp_path / "out")
    assert f"{given / name} is a Git LFS pointer, not the file itself: run `git lfs pull`" in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"epoch": 3, "optimizer": {"lr": 0.1}}, "holds no weights: its keys are 'epoch', 'optimizer'"),
        ([torch.ones(2)], "holds a list, not a dictionary of tensors"),
        (torch.nn.Parameter(torch.ones(2)), "holds a Parameter, not a dictionary of tensors"),
        (7, "holds a int, not a dictionary of tensors"),
    ],
)
def test_a_bin_file_without_weights(copy, convert_fails, content, says):
    (copy / SINGLE).unlink()
    torch.save(content, copy / PICKLED_SINGLE)
    assert says in convert_fails(copy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensor: tensor.to_sparse(), "sparse"),
        (lambda tensor: tensor.to("meta"), "meta"),
        (lambda tensor: tensor.to(torch.complex64), "complex"),
    ],
    ids=["sparse", "meta", "complex"],
)
def test_a_bin_tensor_that_is_no_plain_array_is_named(copy, convert_fails, change, says):
    stored = load_file(copy / SINGLE)
    (copy / SINGLE).unlink()
    torch.save(stored | {f"{LAYER}.weight": change(stored[f"{LAYER}.weight"])}, copy / PICKLED_SINGLE)
    said = convert_fails(copy)
    assert f"{LAYER}.weight is stored as {says}" in said
    assert said.endswith(", not as plain floats; save it as float32.")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "options", [[], ["--format", "auto"], ["--format", "int4", "--calibrate"], ["--kv", "int8"]]
)
def test_a_number_that_is_not_finite(copy, convert_fails, number, options):
    to_bin(copy)
    stored = torch.load(copy / PICKLED_SINGLE, weights_only=True)
    stored[f"{LAYER}.bias"][3] = number
    torch.save(stored, copy / PICKLED_SINGLE)
    said = convert_fails(copy, "--proof", "none", *options, notes=options.count("auto"))
    assert f"{LAYER}.bias holds {number} at [3]" in said


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(("name", "key"), [("config.json", "layer_norm_epsilon"), ("cg2ls.json", "quality")])
def test_a_json_file_with_no_number(copy, convert_fails, number, name, key):
    value = number if name == "config.json" else f'{{"kl_mean": {number}}}'
    text = json.dumps(json.loads((copy / name).read_text()) | {key: "HERE"})
    (copy / name).write_text(text.replace('"HERE"', value))
    said = convert_fails(copy)
    assert f"{copy / name} cannot be read as JSON" in said
    assert number in said


def test_one_activation_beyond_float16(copy, convert_fails):
    stored = load_file(copy / SINGLE)
    bias = stored["transformer.h.1.mlp.fc_in.bias"]
    bias[7] = 90_000.0
    save_file(stored | {"transformer.h.1.mlp.fc_in.bias": bias}, copy / SINGLE)
    for options in (
        ["--format", "fp16"],
        ["--format", "int4", "--for", "cuda"],
        ["--format", "int8", "--for", "cuda"],
    ):
        said = convert_fails(copy, *options)
        assert "float16, which holds 65,504 at most, but model.layers.1.mlp" in said
        assert "reaches 90," in said
        assert said.endswith("choose bf16, or a format for the processor.")


def test_a_graph_computes_with_the_epsilon_that_config_states(copy, tmp_path, run):
    from transformers import CodeGenConfig as PublishedConfig
    from transformers import CodeGenForCausalLM

    claim(copy, layer_norm_epsilon=0.5)
    assert (
        main([str(copy), "-o", str(tmp_path / "out"), "--format", "fp32", "--proof", "none", "--untrained"])
        == 0
    )
    config = json.loads((copy / "config.json").read_text())
    network = CodeGenForCausalLM(PublishedConfig(**config)).eval()
    from cg2ls.models.codegen2 import Checkpoint
    from cg2ls.models.codegen2.tensor_layout import regroup_qkv

    source = Checkpoint.open(copy)
    network.load_state_dict(
        {
            name: torch.from_numpy(
                regroup_qkv(source.tensor(name), 8, 4)
                if name.endswith("qkv_proj.weight")
                else source.tensor(name)
            )
            for name in source.names()
        },
        strict=False,
    )
    tokens = [5, 9, 300, 17]
    with torch.no_grad():
        expected = network(torch.tensor([tokens])).logits[0].numpy()
    np.testing.assert_allclose(run(tmp_path / "out")(tokens, wanted=range(4)), expected, atol=1e-3)


LIMITED = """
import resource, sys
from cg2_quantize.cli import main
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
sys.exit(main(sys.argv[2:]))
"""
"""A program that may write no file larger than its first argument, as on a full disk."""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
@pytest.mark.parametrize(
    ("command", "most"), [("convert", 100_000), ("convert", 10), ("dequantize", 100_000), ("dequantize", 10)]
)
def test_a_disk_that_fills_up_is_named_by_the_users_path(checkpoint, folders, tmp_path, command, most):
    words = {
        "convert": [checkpoint, "--untrained", "--proof", "none"],
        "dequantize": ["dequantize", folders["int8"]],
    }
    out = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "nowhere")}
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(most), *map(str, words[command]), "-o", str(out)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stderr.startswith(f"cg2-quantize: {out}")
    assert ran.stderr.endswith("; make room, or choose another place.\n")
    assert "tmp." not in ran.stderr.replace(str(tmp_path), "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "other"),
    [
        (["{checkpoint}", "-o", "{out}"], "choose another disk with -o"),
        (["dequantize", "{model}", "-o", "{out}"], "choose another disk with -o"),
        (
            ["frontier", "{checkpoint}", "--formats", "int8", "--tokens", "64"],
            "set TMPDIR to a folder on another disk",
        ),
    ],
)
def test_too_small_a_disk_is_reported_with_what_chooses_another(
    checkpoint, folders, tmp_path, refuse, monkeypatch, words, other
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage(10, 9, 1000))
    places = {"checkpoint": checkpoint, "model": folders["int8"], "out": tmp_path / "out"}
    said = refuse(*(word.format(**places) for word in words))
    assert said.endswith(f" MB, but its disk has 0 MB free; make room, or {other}.")
