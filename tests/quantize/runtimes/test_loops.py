"""Decode loops of other runtimes, on small models instead of their exporters' output."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cg2_runtimes.optimum_runtime import QUANTIZED, OptimumLoop

VOCABULARY = 16


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A graph with optimum's inputs and outputs. Its cache contains the tokens themselves, and the likeliest
    token is the sum of all tokens, modulo the vocabulary."""
    kv = ["batch", 1, "past", 1]
    value = helper.make_tensor_value_info
    constants = {
        "single": np.array([1]),
        "column": np.array([1, 1, -1, 1]),
        "axes": np.array([0, 1, 2, 3]),
        "vocabulary": np.array(VOCABULARY),
        "hot": np.array([0, 1], np.float32),
        "one": np.array([1, 1, VOCABULARY]),
        "last": np.array([VOCABULARY]),
    }
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "column"], ["new"]),
        helper.make_node("Concat", ["past_key_values.0.key", "new"], ["present.0.key"], axis=2),
        helper.make_node("Concat", ["past_key_values.0.value", "new"], ["present.0.value"], axis=2),
        helper.make_node("ReduceSum", ["present.0.key", "axes"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["integer"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["integer", "single"], ["whole"]),
        helper.make_node("Mod", ["whole", "vocabulary"], ["token"]),
        helper.make_node("OneHot", ["token", "vocabulary", "hot"], ["row"]),
        helper.make_node("Reshape", ["row", "one"], ["rows"]),
        helper.make_node("Shape", ["input_ids"], ["size"]),
        helper.make_node("Concat", ["size", "last"], ["shape"], axis=0),
        helper.make_node("Expand", ["rows", "shape"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [
            value("input_ids", TensorProto.INT64, ["batch", "length"]),
            value("attention_mask", TensorProto.INT64, ["batch", "total"]),
            *(value(f"past_key_values.0.{part}", TensorProto.FLOAT, kv) for part in ("key", "value")),
        ],
        [
            value("logits", TensorProto.FLOAT, ["batch", "length", VOCABULARY]),
            *(
                value(f"present.0.{part}", TensorProto.FLOAT, ["batch", 1, "all", 1])
                for part in ("key", "value")
            ),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    folder = tmp_path_factory.mktemp("export")
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        folder / QUANTIZED,
    )
    return folder


def sums(prompt, tokens):
    """Tokens that the fake model generates."""
    known = list(prompt)
    for _ in range(tokens):
        known.append(sum(known) % VOCABULARY)
    return known[len(prompt) :]


def test_optimums_cache_goes_from_call_to_call(export):
    loop, tokens = OptimumLoop(export, threads=1), []
    loop.generate([1, 2, 4], 5, tokens.append)
    assert tokens == sums([1, 2, 4], 5)


def test_optimum_continues_from_a_kept_prompt(export):
    loop, tokens = OptimumLoop(export, threads=1), []
    loop.keep([1, 2, 4])
    loop.answer(3, 4, tokens.append)
    assert tokens == sums([1, 2, 4, 3], 4)


def test_a_shorter_prompt_reads_the_logits_of_its_own_last_token(export):
    loop, tokens = OptimumLoop(export, threads=1), []
    loop.generate([1, 2, 4, 7, 9], 1, tokens.append)
    loop.generate([5, 1], 2, tokens.append)
    assert tokens == sums([1, 2, 4, 7, 9], 1) + sums([5, 1], 2)


@pytest.fixture
def calls(monkeypatch):
    """Calls of a fake CTranslate2 generator, which answers each with token 3."""
    made = []

    class Generator:
        def __init__(self, folder, **options):
            made.append(options)

        def generate_batch(self, prompts, *, callback, **options):
            made.append((prompts, options))
            for _ in range(options["max_length"]):
                assert not callback(SimpleNamespace(token_id=3))

    monkeypatch.setitem(sys.modules, "ctranslate2", SimpleNamespace(Generator=Generator, __version__="9"))
    monkeypatch.delitem(sys.modules, "cg2_runtimes.ctranslate2_runtime", raising=False)
    return made


@pytest.fixture
def generator(calls, tmp_path):
    from cg2_runtimes.ctranslate2_runtime import CTranslate2Generator

    (tmp_path / "vocabulary.json").write_text(json.dumps(["a", "b", "c", "d"]))
    return CTranslate2Generator(tmp_path, threads=2)


def test_ctranslate2_generates_an_exact_length_without_reading_the_prompt_token_by_token(generator, calls):
    tokens = []
    generator.generate([0, 2], 5, tokens.append)
    prompts, options = calls[-1]
    assert tokens == [3] * 5
    assert prompts == [["a", "c"]]
    assert options["min_length"] == options["max_length"] == 5
    assert not options["include_prompt_in_result"]
    assert calls[0]["intra_threads"] == 2


def test_ctranslate2_keeps_a_prompt_as_its_static_one(generator, calls):
    generator.keep([0, 1, 2])
    generator.answer(3, 2, lambda token: None)
    (kept, keeping), (asked, asking) = calls[-2:]
    assert keeping["static_prompt"] == asking["static_prompt"] == ["a", "b"]
    assert (kept, asked) == ([["c"]], [["c", "d"]])
