"""A proof against optimum's export: made by another Python, here a stand-in, and kept in the report."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from cg2_quantize import convert
from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.stream import row_logits
from cg2ls.models.folder import ModelDescription

STAND_IN = """\
#!{python}
import json, pathlib, sys
assert sys.argv[1:4] == ["-m", "cg2_runtimes", "distance"], sys.argv
checkpoint, folder, tokens = pathlib.Path(sys.argv[4]), pathlib.Path(sys.argv[5]), sys.argv[7]
assert (folder / "model.onnx.data").exists() and tokens == "2048"
assert json.loads((checkpoint / "config.json").read_text())["qkv_groups"] == 4, "transformers reads no other"
print("a warning of some library")
print(json.dumps(dict(optimum_kl_mean=1e-3, optimum_top1_agreement=0.98, optimum_largest_difference=0.5)))
"""


@pytest.fixture
def stand_in(tmp_path):
    """An executable that answers as the reference environment's Python does."""

    def write(text):
        path = tmp_path / "python"
        path.write_text(text.format(python=sys.executable))
        path.chmod(0o755)
        return path

    return write


def test_what_it_finds_is_in_the_report(checkpoint, tmp_path, stand_in):
    report = convert(checkpoint, tmp_path / "model", proof="quick", optimum=stand_in(STAND_IN)).proof
    assert (report.optimum_kl_mean, report.optimum_top1_agreement) == (1e-3, 0.98)
    assert json.loads((tmp_path / "model" / "report.json").read_text())["optimum_largest_difference"] == 0.5
    assert "from optimum&#x27;s export" in (tmp_path / "model" / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!{python}\nraise SystemExit('No module named optimum')\n", "No module named optimum"),
        ("no program", "cannot be run"),
    ],
)
def test_a_python_that_cannot_is_one_sentence_and_nothing_is_written(
    checkpoint, tmp_path, stand_in, text, says
):
    with pytest.raises(QuantizeError, match=says):
        convert(checkpoint, tmp_path / "model", proof="quick", optimum=stand_in(text))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["python"]


def test_without_a_proof_there_is_nothing_to_compare(checkpoint, tmp_path):
    with pytest.raises(QuantizeError, match="part of a proof"):
        convert(checkpoint, tmp_path / "model", optimum=tmp_path / "python")


def test_rows_go_through_a_folder_as_through_a_session(folders, run, tokens):
    about = ModelDescription.read(folders["int8"])
    rows = [np.array(tokens), np.array(tokens[::-1])]
    found = list(row_logits(folders["int8"], about, rows))
    for row, logits in zip(rows, found, strict=True):
        np.testing.assert_array_equal(logits, run(folders["int8"])(row.tolist()))
