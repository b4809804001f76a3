"""Statistics of rows agree with the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cg2_training.cli.main import main
from cg2_training.data.row_stats import RowStats
from cg2_training.objective import corrupt
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import CodeTokenizer

TEXT = "alpha = 1\nbeta = 2\ngamma = 3\n"
SPANS = [(0, 5), (8, 20)]


def test_a_part_is_counted(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    causal = [*tokenizer.encode("before"), special.end_of_text]
    row = [*causal, *corrupt(TEXT, SPANS, tokenizer), *corrupt(TEXT, SPANS[:1], tokenizer), -1, -1]
    stats = RowStats()
    stats.add(row, tokenizer)
    stats.add([*causal, -1], tokenizer)
    assert (stats.rows, stats.infill_rows, stats.parts, stats.cut) == (2, 1, 2, 0)
    assert stats.lengths == {1: [5, 5], 2: [12]}
    assert stats.ratios == [pytest.approx(17 / len(TEXT)), pytest.approx(5 / len(TEXT))]
    assert stats.single_line == 2
    labels = [token for token in row if 0 <= token < special.first_mask_id]
    # Neither `<sep>` nor the `<|endoftext|>` before it bears loss, nor does the first token.
    assert stats.infill_labels == len(labels) - 2 * 2 - 1
    assert stats.to_dict()["middle_starts_per_1000_labels"] == pytest.approx(
        3000 / stats.infill_labels, abs=0.01
    )


@pytest.mark.parametrize("lost", [2, 3, 6])
def test_a_row_that_loses_an_answer_is_counted(tokenizer: CodeTokenizer, lost: int) -> None:
    stats = RowStats()
    stats.add(corrupt(TEXT, SPANS, tokenizer)[:-lost], tokenizer)
    assert stats.cut == 1


def test_a_row_without_its_last_end_has_lost_no_answer(tokenizer: CodeTokenizer) -> None:
    stats = RowStats()
    stats.add(np.array(corrupt(TEXT, SPANS, tokenizer)[:-1]), tokenizer)
    assert stats.cut == 0


def test_show_batch_prints_statistics(
    recipe: dict[str, Any],
    corpus: Path,
    tokenizer: CodeTokenizer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, saved, shard = tmp_path / "toy.toml", tmp_path / "t.json", str(tmp_path / "shard")
    path.write_text(Recipe.from_dict(recipe).to_toml())
    saved.write_text(tokenizer.to_json())
    assert main(["tokenize", str(corpus), "--tokenizer", str(saved), "-o", shard]) == 0
    capsys.readouterr()
    show = ["show-batch", str(path), "--train", shard, "--stats", "--rows", "40"]
    assert main([*show, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["rows_cut"]) == (40, 0)
    assert 10 < told["infill_rows"] < 30
    assert told["chars_by_mask"]["1"]["middles"] >= told["infill_rows"]
    assert main(show) == 0
    text = capsys.readouterr().out
    assert "rows that lose an answer" in text
    assert "single-line middles" in text
    assert main(["show-batch", str(path), "--train", shard, "--json"]) == 1
    assert "--json needs --stats" in capsys.readouterr().err
