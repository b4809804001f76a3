"""Stored pairs of a model and a smaller one that drafts for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg2ls.models.folder.description import DESCRIPTION
from cg2ls.models.folder.draft_pair import PAIR, DraftPair, find_draft


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A model's folder and its draft's; only the draft's model.json is read."""
    for name in ("model", "draft"):
        (tmp_path / name).mkdir()
    (tmp_path / "draft" / DESCRIPTION).write_text("{}")
    return tmp_path / "model", tmp_path / "draft"


def test_a_pair_that_pays_is_found(folders: tuple[Path, Path]) -> None:
    model, draft = folders
    assert find_draft(model) is None
    DraftPair.of(draft, acceptance=0.6, speedup=1.4).write(model)
    assert find_draft(model) == draft


def test_a_pair_that_gains_too_little_is_not_used(folders: tuple[Path, Path]) -> None:
    model, draft = folders
    DraftPair.of(draft, acceptance=0.6, speedup=1.14).write(model)
    assert find_draft(model) is None


def test_a_pair_of_another_machine_or_of_a_changed_draft_is_not_used(folders: tuple[Path, Path]) -> None:
    model, draft = folders
    DraftPair.of(draft, acceptance=0.6, speedup=1.4).write(model)
    stored = json.loads((model / PAIR).read_text())
    (model / PAIR).write_text(json.dumps(stored | {"processor": "another"}))
    assert find_draft(model) is None
    (model / PAIR).write_text(json.dumps(stored))
    (draft / DESCRIPTION).write_text("{} ")
    assert find_draft(model) is None
    (draft / DESCRIPTION).unlink()
    assert find_draft(model) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"folder": 3}', "[" * 100_000])
def test_a_damaged_file_counts_as_none(folders: tuple[Path, Path], text: str) -> None:
    (folders[0] / PAIR).write_text(text)
    assert find_draft(folders[0]) is None
