"""The frontier of sizes and distances, its table and its picture."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from cg2_quantize.cli import main
from cg2_quantize.commands.measure import format_frontier
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats.kquants import KQuants
from cg2_quantize.verification.frontier import Point, render_frontier


def point(name, bits, kl, *, runs=True):
    return Point(name=name, bits_per_weight=bits, kl=kl, agreement=tuple(0.9 for _ in kl), runs=runs)


def test_more_bits_are_closer_and_pairs_are_over_documents(checkpoint, tmp_path, capsys):
    picture = tmp_path / "frontier.svg"
    words = ["frontier", str(checkpoint), "--formats", "int8", "int4", "--tokens", "512"]
    assert main([*words, "--plot", str(picture), "--json"]) == 0
    eight, four = json.loads(capsys.readouterr().out)
    assert eight["bits_per_weight"] > four["bits_per_weight"]
    assert eight["kl_mean"] < four["kl_mean"]
    assert len(eight["kl"]) == len(four["kl"]) == 8, "a figure for each row of text"
    assert eight["kl_mean"] == pytest.approx(np.mean(eight["kl"]))
    ElementTree.parse(picture)


def test_the_paired_difference_has_a_smaller_error_than_two_means():
    easy_and_hard = (0.01, 0.02, 0.03, 0.10)
    base = point("Q4_K_M", 5.0, easy_and_hard, runs=False)
    other = point("int4", 5.1, tuple(kl - 0.005 for kl in easy_and_hard))
    difference, error = other.kl_less_than(base)
    assert difference == pytest.approx(-0.005)
    assert error < 1e-9 < other.kl_error


def test_the_table_has_the_baselines_column_only_where_it_was_measured():
    ours, theirs = point("int4", 5.1, (0.02, 0.03)), point("Q4_K_M", 4.9, (0.03, 0.05), runs=False)
    assert "Q4_K_M" not in format_frontier([ours])
    head, row, _ = format_frontier([ours, theirs]).splitlines()
    assert "KL less Q4_K_M's" in head
    assert "-1.50e-02" in row


def test_the_picture_shows_every_format_once():
    points = [point("int8", 8.2, (1e-3, 2e-3)), point("a<b", 5.0, (2e-2, 3e-2), runs=False)]
    picture = ElementTree.fromstring(render_frontier(points))
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert texts.count("int8") == texts.count("a<b") == 1


def test_a_file_that_is_no_library_is_named(tmp_path):
    (tmp_path / "libggml.so").write_text("no")
    with pytest.raises(QuantizeError, match="name the file with --ggml"):
        KQuants(tmp_path / "libggml.so", "Q4_K_M", 6)
