"""Numbers of arms as JSON: small, complete, of one set of labels."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cg2_training.errors import TrainingError
from cg2_training.lessons.results import LABELS, code_version, read_results, result_path, write_result
from cg2_training.lessons.scores import RowScores
from tests.training.lessons.conftest import made_up_scores, notes


def test_results_come_back_within_half_a_thousandth(tmp_path: Path) -> None:
    scores = made_up_scores({"causal": 2.0})
    write_result(tmp_path, "causal", 1, notes("causal"), scores)
    results = read_results(tmp_path)
    (one,) = results.arms
    assert (one.arm, one.seed, one.notes["commit"]) == ("causal", 1, "abc")
    nats = one.row_nats("code/causal")
    assert nats is not None
    assert np.abs(nats - scores.nats["code/causal"]).max() <= 0.0005
    whole = one.row_nats("code/psm")
    parts = [scores.nats[f"code/psm/{place}"] for place in ("first", "2 to 4", "5 and on", "eom")]
    assert whole is not None
    assert whole == pytest.approx(np.sum(parts, axis=0), abs=0.002)
    assert results.weights("code/psm", by_bytes=False).tolist() == [40] * 40
    assert one.row_nats("text/causal") is None


def test_a_result_of_256_rows_is_small(tmp_path: Path) -> None:
    path = write_result(tmp_path, "causal", 1, notes("causal"), made_up_scores({}, rows=256))
    assert path.stat().st_size < 40_000


def test_scores_of_other_labels_are_refused(stored: Path) -> None:
    scores = made_up_scores({})
    other = RowScores(scores.nats, scores.tokens, scores.bytes, "other")
    with pytest.raises(TrainingError, match="scores of other labels"):
        write_result(stored, "ul2", 1, notes("ul2"), other)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"arm": "psm", "seed": 1, "labels": "labels"}', "is damaged"),
        ('{"arm": "psm", "seed": 1, "labels": "x", "millinats_by_row": {}}', "other labels"),
        (
            '{"arm": "psm", "seed": 1, "labels": "labels", "millinats_by_row": {"code/causal": [1]}}',
            "number of rows",
        ),
    ],
)
def test_a_damaged_result_is_reported_in_one_sentence(stored: Path, damage: str, says: str) -> None:
    result_path(stored, "psm", 1).write_text(damage)
    with pytest.raises(TrainingError) as refused:
        read_results(stored)
    assert says in str(refused.value)
    assert "psm-1.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_labels_are_named(stored: Path) -> None:
    (stored / LABELS).unlink()
    with pytest.raises(TrainingError, match=r"labels\.json is missing"):
        read_results(stored)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="contains no results; run cg2-train lessons"):
        read_results(tmp_path)


def test_a_file_is_json(stored: Path) -> None:
    raw = json.loads(result_path(stored, "causal", 2).read_text())
    assert raw["seed"] == 2
    assert raw["tokens"] == 1000


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_code_is_named_by_commit_and_by_its_changes(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("a = 1\n")
    copy = code_version((package,))
    assert copy.startswith("files ")
    git(tmp_path, "init", "-q")
    assert code_version((package,)) == copy, "files that no commit has"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert code_version((package,)) == commit
    (package / "__init__.py").write_text("a = 2\n")
    changed = code_version((package,))
    assert changed.startswith(f"{commit} with changes, files ")
    (package / "__init__.py").write_text("a = 3\n")
    assert code_version((package,)) != changed
