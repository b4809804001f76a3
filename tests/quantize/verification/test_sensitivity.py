"""What each matrix loses by four bits, and plans that keep some in eight."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import onnx
import pytest

from cg2_quantize.cli import main
from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.sensitivity import MatrixLoss, choose_eight_bits, read_mixed_plan


def loss(name, weights, kl):
    return MatrixLoss(name=name, weights=weights, kl=(kl, kl))


def test_the_largest_losses_per_weight_come_first():
    losses = [loss("wide", 400, 4e-3), loss("narrow", 100, 3e-3), loss("quiet", 100, 1e-5)]
    assert [each.name for each in choose_eight_bits(losses, share=0.2)] == ["narrow"]
    assert [each.name for each in choose_eight_bits(losses, share=0.9)] == ["narrow", "wide"]
    assert choose_eight_bits(losses, share=0) == []
    assert len(choose_eight_bits(losses, share=1)) == 3


@pytest.fixture(scope="module")
def measured(checkpoint, tmp_path_factory):
    """The command's JSON, and the plan it wrote."""
    plan = tmp_path_factory.mktemp("plan") / "plan.json"
    with redirect_stdout(StringIO()) as printed:
        words = [
            "sensitivity",
            str(checkpoint),
            "--tokens",
            "128",
            "--share",
            "0.4",
            "--json",
            "-o",
            str(plan),
        ]
        assert main(words) == 0
    return json.loads(printed.getvalue()), plan


def test_every_matrix_of_every_block_is_measured(measured, config):
    found, plan = measured
    names = [each["name"] for each in found["matrices"]]
    assert len(names) == 4 * config.n_layer == len(set(names))
    assert all(each["kl_mean"] > 0 for each in found["matrices"])
    rest = [each["kl_mean"] for each in found["matrices"] if each["name"] not in found["plan"]["eight_bits"]]
    assert found["plan"]["expected_kl"] == pytest.approx(np.sum(rest))
    assert json.loads(plan.read_text()) == found["plan"]


def test_a_plan_decides_which_matrices_of_int6_have_eight_bits(measured, checkpoint, tmp_path):
    found, plan = measured
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--proof", "none"]
    assert main([*words, "--format", "int6", "--eight-bits", str(plan)]) == 0
    graph = onnx.load(str(tmp_path / "out" / "model.onnx"), load_external_data=False).graph
    bits = {
        node.name.strip("/").rpartition("/")[0].replace("/", "."): attribute.i
        for node in graph.node
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    }
    assert {name for name, each in bits.items() if each == 8} == set(found["plan"]["eight_bits"])
    assert len(bits) == len(found["matrices"])


def test_bad_plans_are_one_sentence(measured, checkpoint, tmp_path, capsys):
    _, plan = measured
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--proof", "none", "--eight-bits"]
    assert main([*words, str(plan), "--format", "int4"]) == 1
    assert "choose --format int6" in capsys.readouterr().err
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"eight_bits": ["model.layers.9.mlp.fc_in"]}))
    assert main([*words, str(other), "--format", "int6"]) == 1
    error = capsys.readouterr().err
    assert "names model.layers.9.mlp.fc_in, which this model does not have" in error
    assert error.count("\n") == 1
    for text in ("", "[]", '{"eight_bits": "all"}'):
        other.write_text(text)
        with pytest.raises(QuantizeError, match="cg2-quantize sensitivity"):
            read_mixed_plan(other)
    assert not (tmp_path / "out").exists()
