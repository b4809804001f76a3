"""`cg2-quantize --draft`: pairs are checked, measured, and stored where they pay."""

from __future__ import annotations

import json
import re
import shutil

from cg2_quantize.cli import main
from cg2ls.engine import Engine
from cg2ls.models.folder.draft_pair import MIN_PAIR_SPEEDUP, PAIR
from cg2ls.models.folder.locations import SHIPPED_DEFAULT
from cg2ls.models.folder.store import ModelStore


def test_a_pair_is_measured_at_equal_output_and_stored_where_it_pays(
    checkpoint, folders, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("cg2_quantize.verification.draft_pair.ANSWER_TOKENS", 8)
    out = tmp_path / "out"
    words = [str(checkpoint), "-o", str(out), "--proof", "none", "--draft", str(folders["int8"])]
    assert main(words) == 0
    said = capsys.readouterr().err
    found = re.search(r"proposes (\d+)% of the tokens and makes answers ([\d.]+) x as fast here", said)
    assert int(found[1]) == 100, "the same model in the same format proposes its own tokens"
    assert (out / PAIR).exists() == (float(found[2]) >= MIN_PAIR_SPEEDUP)
    with Engine.open(out):
        pass


def test_a_stored_pair_goes_into_the_store_but_is_no_part_of_the_model(folders, tmp_path):
    copy = shutil.copytree(folders["int8"], tmp_path / "copy")
    (copy / PAIR).write_text("{}")
    added = ModelStore(tmp_path / "store").add(copy)
    assert (added.folder / PAIR).read_text() == "{}"
    assert PAIR not in json.loads((copy / "model.json").read_text())["files"]


def test_another_tokenizer_is_refused_before_the_conversion(checkpoint, tmp_path, capsys):
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--draft", str(SHIPPED_DEFAULT)]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "it has another tokenizer; name a smaller model of the same one" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_card_and_a_missing_folder_are_one_sentence(checkpoint, folders, tmp_path, capsys):
    words = [str(checkpoint), "-o", str(tmp_path / "out"), "--draft"]
    assert main([*words, str(folders["int8"]), "--format", "fp16"]) == 1
    assert "leave it out for CUDA" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "nothing")]) == 1
    assert "is not a model folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
