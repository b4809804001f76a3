"""The prefill graph that a conversion writes: what it holds, and that it computes the model's keys and values."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.cli import main
from cg2_quantize.formats.matrix_writer import FormatError
from cg2_quantize.graph.prefill import add_prefill_graph
from cg2ls.engine.model_runner import ModelRunner
from cg2ls.models.folder.description import PREFILL_GRAPH, WEIGHTS, ModelDescription
from cg2ls.models.folder.verify import verify_folder
from cg2ls.models.graph_io import PREFILL_LOCATION, all_present_names

TOKENS = np.arange(40, dtype=np.int64)


def read_keys(folder, *, by_prefill: bool) -> list[np.ndarray]:
    """Keys and values of `TOKENS` in every layer, [tokens, heads, head_dim] each."""
    model = ModelDescription.read(folder)
    runner = ModelRunner.open(folder, model, provider="cpu", threads=1, prefill_graph=by_prefill)
    context = runner.contexts.newest
    if by_prefill:
        context.prefill(TOKENS)
    else:
        context.run(TOKENS)
    return [array[0, :, : len(TOKENS)].transpose(1, 0, 2).copy() for array in context.buffers._arrays]


@pytest.mark.parametrize("precision", ["int4", "int6"])
def test_it_computes_the_keys_and_values_of_the_model(checkpoint, tmp_path, precision):
    convert(checkpoint, tmp_path / "model", ConversionOptions(precision=precision))
    plain, read = (read_keys(tmp_path / "model", by_prefill=by_prefill) for by_prefill in (False, True))
    assert any((one != other).any() for one, other in zip(plain, read, strict=True))
    for one, other in zip(plain, read, strict=True):
        assert np.linalg.norm(one - other) < 0.03 * np.linalg.norm(one)


def test_it_has_int8_products_up_to_the_last_keys_and_no_weights(folders):
    graph = onnx.load(folders["int4"] / PREFILL_GRAPH, load_external_data=False).graph
    assert [entry.name for entry in graph.output] == all_present_names(2)
    operators = [node.op_type for node in graph.node]
    assert "MatMulNBits" not in operators
    assert operators.count("MatMulIntegerToFloat") == 4 + 1, "the last block needs keys and values only"
    places = {e.value for t in graph.initializer for e in t.external_data if e.key == "location"}
    assert places == {WEIGHTS, PREFILL_LOCATION}
    assert (folders["int4"] / PREFILL_GRAPH).stat().st_size < 40_000


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_other_formats_have_none(folders, precision):
    assert PREFILL_GRAPH not in ModelDescription.read(folders[precision]).files
    assert not (folders[precision] / PREFILL_GRAPH).exists()


@pytest.mark.parametrize("options", [{"portable": True}, {"target": "cuda"}])
def test_forms_for_other_processors_have_none(checkpoint, tmp_path, options):
    convert(checkpoint, tmp_path / "model", ConversionOptions(precision="int4", **options))
    assert not (tmp_path / "model" / PREFILL_GRAPH).exists()
    with pytest.raises(FormatError, match="no int4 matrices for processors"):
        add_prefill_graph(tmp_path / "model")
    verify_folder(tmp_path / "model")


def test_the_command_adds_it_to_an_earlier_folder(folders, tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(folders["int4"], folder)
    expected = (folder / PREFILL_GRAPH).read_bytes()
    (folder / PREFILL_GRAPH).unlink()
    model = ModelDescription.read(folder)
    files = {name: entry for name, entry in model.files.items() if name != PREFILL_GRAPH}
    earlier = ModelDescription(**{**vars(model), "files": files})
    earlier.write(folder)
    verify_folder(folder)
    assert main(["prefill", str(folder)]) == 0
    assert str(folder / PREFILL_GRAPH) in capsys.readouterr().out
    assert (folder / PREFILL_GRAPH).read_bytes() == expected
    assert verify_folder(folder) == model


def test_the_command_refuses_a_folder_without_int4(folders, capsys):
    assert main(["prefill", str(folders["int8"])]) == 1
    assert "has no int4 matrices for processors" in capsys.readouterr().err
