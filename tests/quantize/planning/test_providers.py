"""Targets besides the processor and CUDA: operators are checked against what the providers' makers publish."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.cli import main
from cg2_quantize.formats import select_format
from cg2_quantize.planning.providers import IN_BLOCKS, SUPPORT, list_operators
from cg2ls.engine.providers import PROVIDERS
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.codegen2.config import LLAMA, QWEN2


@pytest.mark.parametrize("target", ["cpu", "cuda", "directml", "openvino"])
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_the_listed_operators_are_those_of_the_graph(checkpoint, config, tmp_path, precision, target):
    form = None if target in SUPPORT else target
    chosen = select_format(precision, target=target)
    options = ConversionOptions(precision=precision, target=form, portable=chosen.portable)
    convert(checkpoint, tmp_path / "model", options)
    graph = onnx.load(str(tmp_path / "model" / "model.onnx"), load_external_data=False).graph
    inside, outside = list_operators(config, chosen)
    assert inside | outside == {node.op_type for node in graph.node}
    assert inside == {node.op_type for node in graph.node if node.name.startswith(IN_BLOCKS)}


@pytest.mark.parametrize("family", [LLAMA, QWEN2])
def test_other_families_are_built_small(family):
    config = CodeGenConfig(
        n_layer=24,
        n_embd=896,
        n_head=14,
        n_kv_head=2,
        rotary_dim=64,
        n_positions=2048,
        vocab_size=1000,
        n_inner=128,
        qkv_groups=1,
        family=family,
    )
    inside, _ = list_operators(config, select_format("int8", target="directml"))
    assert {"GroupQueryAttention", "SkipSimplifiedLayerNormalization"} <= inside
    assert inside <= SUPPORT["directml"].operators


def test_directml_runs_int8_whole_and_int4_but_for_the_embedding(checkpoint, tmp_path, capsys):
    words = [str(checkpoint), "--proof", "none", "--for", "directml"]
    assert main([*words, "-o", str(tmp_path / "int8"), "--format", "int8"]) == 0
    assert "does not list" not in capsys.readouterr().err
    assert main([*words, "-o", str(tmp_path / "int4"), "--format", "int4"]) == 0
    error = capsys.readouterr().err
    assert "DirectML does not list GatherBlockQuantized: they run on the processor, once per call." in error


@pytest.mark.parametrize(
    ("target", "precision", "lacking"),
    [
        ("coreml", "fp32", "Expand, Gather, ScatterElements, Where"),
        ("openvino", "int8", "Gelu, LayerNormalization"),
        ("directml", "nf4", "MatMulBnb4"),
    ],
)
def test_a_provider_without_a_blocks_operators_is_refused(
    checkpoint, tmp_path, capsys, target, precision, lacking
):
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--format", precision, "--for", target]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert f"does not list {lacking}, which every block of {precision} needs (https://" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_auto_has_no_plan_for_them(checkpoint, tmp_path, capsys):
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--format", "auto", "--for", "directml"]
    assert main(words) == 1
    assert "choose a format instead" in capsys.readouterr().err


@pytest.mark.parametrize("target", SUPPORT)
def test_an_installed_provider_gives_the_processors_logits(folders, run, tokens, target):
    name = PROVIDERS[target].onnxruntime
    if name not in ort.get_available_providers():
        pytest.skip(f"the onnxruntime that is installed has no {name}")
    session = ort.InferenceSession(
        str(folders["int8"] / "model.onnx"), providers=[name, "CPUExecutionProvider"]
    )
    runner = run(folders["int8"])
    expected = runner(tokens)
    runner.session = session
    np.testing.assert_allclose(runner(tokens), expected, atol=1e-2)
