"""Every format: nodes of its graph, results, and where it runs."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2_quantize.formats import FORMATS, FormatError, select_format
from cg2ls.engine import Engine, Request
from cg2ls.models.codegen2 import Checkpoint
from cg2ls.models.folder import ModelDescription

HOST_ONLY = {
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "DynamicQuantizeLinear",
    "QuantizeLinear",
}
"""Operators that ONNX Runtime has no CUDA kernel for, and would run on the host between two copies."""


@pytest.fixture(scope="module")
def make(checkpoint, tmp_path_factory):
    """Converts the random checkpoint; a repeated call returns the same folder."""
    made = {}

    def work(precision, **options):
        key = (precision, *options.items())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("formats") / precision
            convert(checkpoint, made[key], ConversionOptions(precision=precision, **options))
        return made[key]

    return work


def graph_of(folder):
    return onnx.load(str(folder / "model.onnx"), load_external_data=False)


def relative_error(folder, run, tokens, folders):
    expected = run(folders["fp32"])(tokens)
    return np.linalg.norm(run(folder)(tokens) - expected) / np.linalg.norm(expected)


def test_nf4_weights_are_bitsandbytes_own_values(make, checkpoint, tmp_path):
    dequantize(make("nf4"), tmp_path / "again")
    before, after = Checkpoint.open(checkpoint), Checkpoint.open(tmp_path / "again")
    for name in ("attn.out_proj", "mlp.fc_in", "mlp.fc_out"):
        weight = torch.from_numpy(before.tensor(f"transformer.h.1.{name}.weight"))
        packed, state = quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=False)
        expected = dequantize_4bit(packed, state).numpy()
        np.testing.assert_array_equal(after.tensor(f"transformer.h.1.{name}.weight"), expected, err_msg=name)


@pytest.mark.parametrize("precision", ["int8", "int4", "nf4", "fp16", "bf16"])
def test_nothing_of_a_cuda_graph_would_run_on_the_host(make, precision):
    folder = make(precision, target="cuda")
    graph = graph_of(folder)
    onnx.checker.check_model(str(folder / "model.onnx"))
    assert not {node.op_type for node in graph.graph.node} & HOST_ONLY
    kv = {"bf16": "bfloat16"}.get(precision, "float16")
    assert ModelDescription.read(folder).kv_dtype == kv
    floats = {t.data_type for t in graph.graph.initializer} & {1, 10, 16}
    assert floats == {16 if precision == "bf16" else 10}, "constants are of one float type"


@pytest.mark.parametrize(
    ("precision", "product"), [("int8", "MatMulNBits"), ("int4", "MatMulNBits"), ("nf4", "MatMulBnb4")]
)
def test_a_cuda_graph_has_one_node_per_product(make, precision, product):
    counts = Counter(node.op_type for node in graph_of(make(precision, target="cuda")).graph.node)
    assert counts[product] >= 8
    assert counts["GatherBlockQuantized"] == 1
    assert counts["MatMul"] == 0


@pytest.mark.parametrize(("precision", "most"), [("fp16", 0.01), ("int8", 0.03), ("int4", 0.2)])
def test_half_precision_graphs_compute_the_same(make, precision, most, tokens, folders, run):
    folder = make(precision, target="cuda")
    model = run(folder, dtype=np.float16)
    expected = run(folders["fp32"])(tokens)
    assert np.linalg.norm(model(tokens) - expected) / np.linalg.norm(expected) < most


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("int8", 0.04), ("int4", 0.2)])
def test_portable_graphs_need_no_operator_of_one_runtime(make, precision, most, run, tokens, folders):
    folder = make(precision, portable=True)
    graph = graph_of(folder)
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}
    assert relative_error(folder, run, tokens, folders) < most


def test_portable_graphs_keep_the_contract_of_cache_and_rollback(make, run, tokens):
    folder = make("fp32", portable=True)
    expected = run(folder)(tokens)
    model = run(folder)
    model([*tokens[:7], *reversed(tokens)])
    np.testing.assert_allclose(model(tokens[7:], start=7), expected[7:], atol=1e-4)
    np.testing.assert_allclose(model([tokens[-1]], start=19), expected[-1:], atol=1e-4)


@pytest.mark.parametrize("options", [{"precision": "nf4"}, {"precision": "int8", "portable": True}])
def test_the_engine_runs_what_is_written_for_processors(make, options):
    precision = options.pop("precision")
    with Engine.open(make(precision, **options)) as engine:
        steps = list(engine.complete(Request(prompt=[1, 2, 3], max_tokens=4, ignore_stop_tokens=True)))
    assert len(steps) == 4


@pytest.mark.parametrize("options", [{"portable": True}, {}])
@pytest.mark.parametrize("precision", ["int8", "int4", "nf4"])
def test_dequantizing_gives_what_the_graph_multiplies_with(make, checkpoint, tmp_path, precision, options):
    if precision == "nf4" and options:
        with pytest.raises(FormatError, match="portable"):
            make(precision, **options)
        return
    dequantize(make(precision, **options), tmp_path / "again")
    before, after = Checkpoint.open(checkpoint), Checkpoint.open(tmp_path / "again")
    for name in ("transformer.wte.weight", "transformer.h.0.mlp.fc_out.weight"):
        error = np.linalg.norm(after.tensor(name) - before.tensor(name)) / np.linalg.norm(before.tensor(name))
        assert 0 < error < (0.12 if "mlp" in name else 0.02), name


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "int3"}, "unknown"),
        ({"name": "fp32", "target": "cuda"}, "fp16 or bf16"),
        ({"name": "fp16", "target": "cpu"}, "is for CUDA"),
        ({"name": "nf4", "portable": True}, "portable"),
        ({"name": "int8", "target": "cuda", "kv": "int8"}, "int8 cache"),
    ],
)
def test_incompatible_parts_are_refused(options, says):
    with pytest.raises(FormatError, match=says):
        select_format(**options)


def test_the_bound_on_the_size_holds(make, config):
    ends = 2 * config.vocab_size * config.n_embd
    for name, target in itertools.product(FORMATS, ("cpu", "cuda")):
        try:
            chosen = select_format(name, target=target)
        except FormatError:
            continue
        size = (make(name, target=target) / "model.onnx.data").stat().st_size
        assert size <= chosen.max_bytes(config.n_parameters - ends, ends) + (1 << 20), (name, target)
