"""CodeGen as llama.cpp's Phi-2: the same network, its rotated channels reordered."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import gguf
import numpy as np
import pytest

from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.graph_weights import GraphWeights
from cg2_runtimes import llamacpp_rounding
from cg2_runtimes.llamacpp_convert import MODEL, compute_halves_order, convert
from cg2_runtimes.llamacpp_rounding import choose_kind
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig
from cg2ls.models.codegen2.config import QWEN2


def rotated_adjacent(head: np.ndarray, position: int, width: int) -> np.ndarray:
    """CodeGen: channels 2i and 2i + 1 are rotated by position * 10000^(-2i / width)."""
    out = head.copy()
    angles = position * 10000.0 ** (-np.arange(0, width, 2) / width)
    a, b = head[0:width:2], head[1:width:2]
    out[0:width:2], out[1:width:2] = (
        a * np.cos(angles) - b * np.sin(angles),
        b * np.cos(angles) + a * np.sin(angles),
    )
    return out


def rotated_halves(head: np.ndarray, position: int, width: int) -> np.ndarray:
    """Phi-2: channels i and i + width / 2 are."""
    out = head.copy()
    half = width // 2
    angles = position * 10000.0 ** (-np.arange(0, width, 2) / width)
    a, b = head[:half], head[half:width]
    out[:half], out[half:width] = (
        a * np.cos(angles) - b * np.sin(angles),
        b * np.cos(angles) + a * np.sin(angles),
    )
    return out


def test_reordered_queries_and_keys_give_the_same_scores():
    config = CodeGenConfig(
        n_layer=1, n_embd=32, n_head=2, rotary_dim=8, n_positions=64, vocab_size=512, n_inner=64, qkv_groups=2
    )
    query, key = np.random.default_rng(0).normal(size=(2, config.n_embd))
    order = compute_halves_order(config)
    assert sorted(order) == list(range(config.n_embd))
    for head in range(config.n_head):
        part = slice(head * config.head_dim, (head + 1) * config.head_dim)
        theirs = rotated_halves(query[order][part], 9, 8) @ rotated_halves(key[order][part], 4, 8)
        assert theirs == pytest.approx(
            rotated_adjacent(query[part], 9, 8) @ rotated_adjacent(key[part], 4, 8)
        )


def test_the_file_has_every_tensor_of_a_phi_2_of_this_shape(tiny_checkpoint, tmp_path):
    convert(tiny_checkpoint, tmp_path)
    reader = gguf.GGUFReader(tmp_path / MODEL)
    shapes = {tensor.name: tuple(int(size) for size in tensor.shape)[::-1] for tensor in reader.tensors}
    assert shapes["token_embd.weight"] == shapes["output.weight"] == (512, 64)
    assert shapes["blk.1.attn_qkv.weight"] == (192, 64)
    assert shapes["blk.1.ffn_down.weight"] == (64, 256)
    assert len(shapes) == 2 * 10 + 5
    assert reader.fields["phi2.rope.dimension_count"].contents() == 16


def test_the_matrices_are_the_checkpoints_but_for_rounding(tiny_checkpoint, tmp_path):
    convert(tiny_checkpoint, tmp_path)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / MODEL).tensors}
    found = gguf.quants.dequantize(
        tensors["blk.0.ffn_up.weight"].data, tensors["blk.0.ffn_up.weight"].tensor_type
    )
    expected = GraphWeights(Checkpoint.open(tiny_checkpoint)).matrix(0, "mlp.fc_in").T
    assert np.abs(found - expected).max() < np.abs(expected).max() / 100


def test_the_file_has_the_texts_of_all_tokens(tiny_checkpoint, tmp_path):
    convert(tiny_checkpoint, tmp_path)
    fields = gguf.GGUFReader(tmp_path / MODEL).fields
    vocabulary = json.loads((tiny_checkpoint / "tokenizer.json").read_text())["model"]["vocab"]
    texts = fields["tokenizer.ggml.tokens"].contents()
    assert len(texts) == len(fields["tokenizer.ggml.token_type"].contents()) == 512
    assert {text: texts[number] for text, number in vocabulary.items()} == {text: text for text in vocabulary}


@pytest.mark.parametrize(
    ("name", "columns", "expected"),
    [
        ("token_embd.weight", 512, "Q4_K"),
        ("output.weight", 512, "Q6_K"),
        ("blk.3.attn_qkv.weight", 512, "Q5_K"),
        ("blk.4.ffn_up.weight", 512, "Q4_K"),
        ("blk.0.ffn_down.weight", 512, "Q6_K"),
        ("blk.4.ffn_down.weight", 512, "Q4_K"),
        ("blk.5.attn_v.weight", 512, "Q6_K"),
        ("blk.5.attn_v.weight", 896, "Q8_0"),
        ("blk.4.attn_q.weight", 896, "Q5_0"),
        ("output.weight", 896, "Q8_0"),
    ],
)
def test_four_bits_are_llama_cpps_mix(name, columns, expected):
    assert choose_kind(name, 24, columns) == gguf.GGMLQuantizationType[expected]


def test_four_bits_are_rounded_by_llama_cpps_own_code(tiny_checkpoint, tmp_path, monkeypatch):
    asked = []

    class Quantize:
        def __call__(self, kind, source, target, start, rows, columns, importance):
            asked.append((gguf.GGMLQuantizationType(kind).name, rows, columns))
            return 0

    library = SimpleNamespace(ggml_quantize_chunk=Quantize())
    monkeypatch.setattr(llamacpp_rounding, "find_library", lambda: tmp_path / "libggml-base.so")
    monkeypatch.setattr(llamacpp_rounding.ctypes, "CDLL", lambda path: library)
    convert(tiny_checkpoint, tmp_path, "int4")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / MODEL).tensors}
    assert tensors["output.weight"].tensor_type.name == "Q8_0"
    assert tensors["blk.1.ffn_up.weight"].tensor_type.name == "Q5_0"
    assert ("Q5_1", 192, 64) in asked
    assert len(asked) == 2 * 4 + 2


def test_four_bits_without_llama_cpps_code_are_an_error(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(llamacpp_rounding, "find_spec", lambda name: None)
    with pytest.raises(QuantizeError, match="pip install xllamacpp"):
        convert(tiny_checkpoint, tmp_path, "int4")


def test_the_file_has_every_tensor_of_a_qwen2_of_this_shape(tmp_path):
    config = CodeGenConfig(
        n_layer=2,
        n_embd=64,
        n_head=4,
        n_kv_head=2,
        rotary_dim=16,
        rotary_base=1e6,
        n_positions=64,
        vocab_size=512,
        n_inner=96,
        qkv_groups=1,
        family=QWEN2,
    )
    write_random_checkpoint(tmp_path / "checkpoint", config)
    convert(tmp_path / "checkpoint", tmp_path)
    reader = gguf.GGUFReader(tmp_path / MODEL)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert len(tensors) == 2 * 12 + 3
    assert tuple(tensors["blk.1.attn_k.weight"].shape)[::-1] == (32, 64)
    assert reader.fields["qwen2.attention.head_count_kv"].contents() == 2
    assert reader.fields["qwen2.rope.freq_base"].contents() == 1e6
    source = Checkpoint.open(tmp_path / "checkpoint")
    bias = source.tensor("model.layers.0.self_attn.q_proj.bias")
    np.testing.assert_array_equal(tensors["blk.0.attn_q.bias"].data, bias)
    found = gguf.quants.dequantize(
        tensors["blk.0.attn_q.weight"].data, tensors["blk.0.attn_q.weight"].tensor_type
    )
    expected = source.tensor("model.layers.0.self_attn.q_proj.weight")
    assert np.abs(found - expected).max() < np.abs(expected).max() / 100


class FakeLlama(SimpleNamespace):
    """llama.cpp's functions over a cache of tokens; the likeliest token is their sum, modulo 16."""

    def __init__(self) -> None:
        super().__init__(__version__="9", llama_token=np.ctypeslib.ctypes.c_int32, read=[], batches=[])

    def __getattr__(self, name: str):
        return lambda *_: SimpleNamespace(n_batch=4) if name.endswith("context_default_params") else 1

    def llama_vocab_n_tokens(self, _):
        return 16

    def llama_memory_clear(self, *_):
        self.read = []

    def llama_memory_seq_rm(self, _, sequence, start, end):
        self.read = self.read[:start]

    def llama_batch_get_one(self, ids, count):
        return list(ids)[:count]

    def llama_decode(self, _, batch):
        self.batches.append(len(batch))
        self.read += batch
        return 0

    def llama_get_logits_ith(self, *_):
        logits = (np.ctypeslib.ctypes.c_float * 16)()
        logits[sum(self.read) % 16] = 1.0
        return logits


@pytest.fixture
def llama(monkeypatch):
    fake = FakeLlama()
    monkeypatch.setitem(sys.modules, "llama_cpp", fake)
    monkeypatch.delitem(sys.modules, "cg2_runtimes.llamacpp_generator", raising=False)
    yield fake
    sys.modules.pop("cg2_runtimes.llamacpp_generator", None)


def sums(prompt, tokens):
    known = list(prompt)
    for _ in range(tokens):
        known.append(sum(known) % 16)
    return known[len(prompt) :]


def test_a_prompt_is_read_in_batches_and_every_token_once(llama, tmp_path):
    from cg2_runtimes.llamacpp_generator import LlamaCppGenerator

    generator, tokens = LlamaCppGenerator(tmp_path, threads=2), []
    generator.generate([1, 2, 3, 4, 5, 6], 4, tokens.append)
    assert tokens == sums([1, 2, 3, 4, 5, 6], 4)
    assert llama.batches == [4, 2, 1, 1, 1]


def test_a_kept_prompt_is_continued_each_time(llama, tmp_path):
    from cg2_runtimes.llamacpp_generator import LlamaCppGenerator

    generator = LlamaCppGenerator(tmp_path, threads=2)
    generator.keep([1, 2, 3])
    for key in (7, 9):
        tokens = []
        generator.answer(key, 3, tokens.append)
        assert tokens == sums([1, 2, 3, key], 3)


def test_a_prompt_is_read_from_where_it_differs_from_the_last(llama, tmp_path):
    from cg2_runtimes.llamacpp_generator import LlamaCppGenerator

    generator = LlamaCppGenerator(tmp_path, threads=2)
    for prompt, read in (([1, 2, 3], [3]), ([1, 2, 3, 4], [1]), ([1, 9], [1]), ([1, 9], [1])):
        llama.batches, tokens = [], []
        generator.complete(prompt, 1, tokens.append)
        assert tokens == sums(prompt, 1)
        assert llama.batches == read
