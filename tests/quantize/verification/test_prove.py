"""Proofs: measurements, reports, and refusals."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.cli import main
from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.comparison import Measures, compute_row_logits
from cg2_quantize.verification.heldout import (
    MEASURED_TOKENS,
    make_calibration_rows,
    make_heldout_rows,
    read_heldout_texts,
)
from cg2_quantize.verification.report import KEYS, LIMITS, Limit, ProofReport, check_limits, list_misses
from cg2_quantize.verification.speed import ModelSpeed
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.folder import ModelDescription


@pytest.fixture(scope="module")
def quick(trained, tmp_path_factory):
    """The shipped model, converted and proven by the command."""
    folder = tmp_path_factory.mktemp("proven") / "int8"
    assert main([str(trained), "-o", str(folder)]) == 0
    return folder


def test_the_report_has_its_keys(quick):
    report = json.loads((quick / "report.json").read_text())
    assert list(report)[: len(KEYS)] == list(KEYS)
    assert report["format"] == "int8"
    assert report["tokens"] == 4 * 511, "four rows of 512 tokens, each but the last with a successor"
    assert report["trained"]
    unmeasured = {key for key in KEYS if report[key] is None}
    assert unmeasured == {"infill_exact_match_delta", "first_divergence_median"}
    assert 0 < report["bandwidth_share"] < 2
    assert report["peak_memory_bytes"] > 50e6


def test_the_default_model_stays_within_its_limits(quick):
    report = json.loads((quick / "report.json").read_text())
    assert 0 < report["kl_mean"] < LIMITS["int8"].kl
    assert report["top1_agreement"] > 0.98
    assert report["perplexity_ratio"] == pytest.approx(1, abs=0.01)
    assert ModelDescription.read(quick).quality["kl_mean"] == pytest.approx(report["kl_mean"], rel=1e-3)


def test_the_page_is_whole_and_draws_its_plots(quick):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.seen = []

        def handle_starttag(self, tag, attrs):
            self.seen.append((tag, dict(attrs)))

    tags = Tags()
    text = (quick / "report.html").read_text()
    tags.feed(text)
    assert sum(tag == "svg" for tag, _ in tags.seen) == 2
    assert sum(attrs.get("class") == "bar" for _, attrs in tags.seen) == 5, (
        "a bar behind each block but the last"
    )
    assert "Within its limits" in text
    assert "http" not in text, "the page loads nothing"


@pytest.fixture
def short(monkeypatch):
    """Proofs over one row, without the time of a new process."""
    monkeypatch.setattr("cg2_quantize.verification.prove.QUICK_TOKENS", 512)
    monkeypatch.setattr(
        "cg2_quantize.verification.prove.measure_speed", lambda folder: ModelSpeed(1.0, 2.0, 0.5, 4, 256)
    )


def test_fp32_is_its_own_reference(trained, tmp_path, short):
    proof = convert(trained, tmp_path / "fp32", ConversionOptions(precision="fp32", proof="quick")).proof
    assert proof.kl_mean < 1e-7
    assert proof.top1_agreement == 1


@pytest.mark.slow
def test_full_proof_compares_answers_too(trained, tmp_path, monkeypatch, short):
    monkeypatch.setattr("cg2_quantize.verification.answers.MAX_LINES", 6)
    monkeypatch.setattr(
        "cg2_quantize.verification.answers.make_heldout_rows", lambda *_: make_heldout_rows(*_, 512)
    )
    monkeypatch.setattr("cg2_quantize.verification.prove.MEASURED_TOKENS", 512)
    proof = convert(trained, tmp_path / "int8", ConversionOptions(proof="full")).proof
    assert -1 <= proof.infill_exact_match_delta <= 1
    assert 0 <= proof.first_divergence_median <= 64
    found = {name for name, value in proof.to_dict().items() if value is not None}
    assert found >= set(KEYS) | {"kl_error", "top1_error", "reference_loss", "trained"}


def test_trained_weights_that_lose_too_much_are_not_written(trained, tmp_path, monkeypatch, capsys, short):
    monkeypatch.setitem(LIMITS, "int4", Limit(1e-6, 0.9999))
    arguments = [str(trained), "-o", str(tmp_path / "out"), "--format", "int4"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "loses too much in int4" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert main([*arguments, "--allow-loss"]) == 0
    assert "Outside of its limits" in (tmp_path / "out" / "report.html").read_text()


def test_random_weights_have_no_limits(checkpoint, tmp_path, short):
    proof = convert(checkpoint, tmp_path / "out", ConversionOptions(precision="int4", proof="quick")).proof
    assert not proof.trained
    assert proof.top1_agreement < LIMITS["int4"].agreement


def test_a_miss_must_exceed_the_error_of_the_sample():
    def report(agreement, error):
        return ProofReport(
            **dict.fromkeys(("bytes", "bits_per_weight"), 1),
            format="int8",
            kl_mean=1e-3,
            kl_error=1e-5,
            top1_agreement=agreement,
            top1_error=error,
            trained=True,
        )

    check_limits(report(0.981, 0.003))
    assert list_misses(report(0.981, 0.001))
    with pytest.raises(QuantizeError, match="top-1 agreement"):
        check_limits(report(0.981, 0.001))


def test_measures_of_two_known_distributions():
    measures = Measures()
    reference = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], np.float32))
    model = np.log(np.array([[0.25, 0.5, 0.25], [0.1, 0.8, 0.1]], np.float32))
    measures.add(reference + 3, model, np.array([0, 1]))
    np.testing.assert_allclose(measures.values("kl"), [0.5 * np.log(2) - 0.25 * np.log(2), 0], atol=1e-6)
    assert measures.top1_agreement == 0.5
    assert measures.perplexity_ratio == pytest.approx(np.sqrt(2))


def test_the_held_out_set_has_its_tokens_and_some_for_calibration(trained):
    tokenizer = CodeTokenizer.load(trained / "tokenizer.json")
    rows = make_heldout_rows(tokenizer, 512)
    assert MEASURED_TOKENS - 512 < sum(map(len, rows)) <= MEASURED_TOKENS
    few = make_heldout_rows(tokenizer, 512, 2048)
    assert len(few) == 4
    assert all(any((row == other).all() for other in rows) for row in few)
    spare = make_calibration_rows(tokenizer, 512)
    assert sum(map(len, spare)) >= 512
    assert not any((row == other).all() for row in spare for other in rows)


def test_every_held_out_file_names_its_source_and_licence():
    lines = Path("tests/data/heldout/heldout.jsonl").read_text().splitlines()
    assert len(lines) == len(read_heldout_texts())
    for line in lines:
        entry = json.loads(line)
        assert entry["license"] in ("Apache-2.0", "MIT OR Apache-2.0")
        assert "==" in entry["source"]


def test_compare_puts_folders_side_by_side(quick, trained, tmp_path, capsys):
    convert(trained, tmp_path / "int4", ConversionOptions(precision="int4"))
    capsys.readouterr()
    assert main(["compare", str(quick), str(tmp_path / "int4"), "--tokens", "512"]) == 0
    rows = {line.split("  ")[0]: line.split()[-2:] for line in capsys.readouterr().out.splitlines()}
    assert rows["format"] == ["int8", "int4"]
    assert rows["kl_p99"][1] == "-", "this one was not proven"
    assert rows["top-1 as the first"][0] == "-"
    assert 0.85 < float(rows["top-1 as the first"][1]) < 1


FAKE_OPTIMUM = """\
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
def fake_optimum(tmp_path):
    """An executable that answers as the reference environment's Python does."""

    def write(text):
        path = tmp_path / "python"
        path.write_text(text.format(python=sys.executable))
        path.chmod(0o755)
        return path

    return write


def test_what_it_finds_is_in_the_report(checkpoint, tmp_path, fake_optimum):
    report = convert(
        checkpoint, tmp_path / "model", ConversionOptions(proof="quick", optimum=fake_optimum(FAKE_OPTIMUM))
    ).proof
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
def test_a_python_without_optimum_is_reported_in_one_sentence_and_nothing_is_written(
    checkpoint, tmp_path, fake_optimum, text, says
):
    with pytest.raises(QuantizeError, match=says):
        convert(checkpoint, tmp_path / "model", ConversionOptions(proof="quick", optimum=fake_optimum(text)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["python"]


def test_without_a_proof_there_is_nothing_to_compare(checkpoint, tmp_path):
    with pytest.raises(QuantizeError, match="part of a proof"):
        convert(checkpoint, tmp_path / "model", ConversionOptions(optimum=tmp_path / "python"))


def test_rows_go_through_a_folder_as_through_a_session(folders, run, tokens):
    about = ModelDescription.read(folders["int8"])
    rows = [np.array(tokens), np.array(tokens[::-1])]
    found = list(compute_row_logits(folders["int8"], about, rows))
    for row, logits in zip(rows, found, strict=True):
        np.testing.assert_array_equal(logits, run(folders["int8"])(row.tolist()))
