"""`cg2ls replay`."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

import cg2ls
from cg2ls.cli.main import main

SOURCES = str(Path(cg2ls.__file__).parent / "engine")
SMALL = ("--keys", "12", "--positions", "8", "--passages", "1", "--line-tokens", "2", "--block-tokens", "2")


def test_json_has_speed_and_quality(tiny_model, tmp_path, capsys):
    picture = tmp_path / "replay.svg"
    arguments = ["replay", SOURCES, "--model", str(tiny_model), "--threads", "1", "--json"]
    assert main([*arguments, "--picture", str(picture), *SMALL]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["keys"] == 12
    assert (
        found["latency_ms"]["first_token"].keys()
        == found["latency_ms"]["line"].keys()
        == {"p50", "p95", "p99"}
    )
    assert found["reread_tokens"].keys() == {"p50", "p95"}
    assert found["positions"] == 8
    assert {"exact_line", "edit_similarity", "saved_characters", "shown_wrong", "spread"} <= found.keys()
    assert found["repositories"].keys() == {"engine"}
    assert found["model"]["name"] == "tiny"
    drawn = ElementTree.parse(picture).getroot()
    assert drawn.tag.endswith("svg")
    assert "saved characters" in "".join(drawn.itertext())


def test_a_table_is_printed_without_json(tiny_model, capsys):
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--threads", "1", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "key to first token, ms" in out
    assert "exact_line" in out
    assert "writing 1 passages" in err


def test_the_model_can_be_asked_in_other_ways(tiny_model, capsys):
    ways = ["--anchor", "0", "--prefix-only", "--context", "64", "--max-lines", "1", "--passages", "0"]
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--json", *SMALL, *ways]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["context_length"] == 64
    assert "saved_characters" not in found


@pytest.mark.parametrize(
    ("arguments", "says"), [(["/nowhere"], "/nowhere does not exist"), ([SOURCES, "--model", "/no"], "/no")]
)
def test_what_is_wrong_is_one_line(arguments, says, capsys):
    assert main(["replay", *arguments]) == 1
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_counts_are_numbers(capsys):
    with pytest.raises(SystemExit):
        main(["replay", SOURCES, "--keys", "-3"])
    assert "-3" in capsys.readouterr().err
