"""Uploads of a session fit the limits, and give the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cg2_training.errors import TrainingError
from cg2_training.export import make_facts
from cg2_training.model.codegen import CodeGen
from cg2_training.remote import upload
from cg2_training.remote.upload import collect_uploads, write_upload
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_FILE_BYTES", 20_000)
    monkeypatch.setattr(upload, "MAX_PORTION_BYTES", 50_000)


@pytest.fixture
def model(recipe: dict[str, Any]) -> CodeGen:
    model = CodeGen(Recipe.from_dict(recipe).model.config())
    model.init_weights(torch.Generator().manual_seed(1))
    return model


def portions(model: CodeGen, recipe: dict[str, Any], folder: Path) -> list[Path]:
    weights = dict(model.named_parameters())
    report = {"recipe": Recipe.from_dict(recipe).to_dict(), "steps": 12}
    left = []
    while write_upload(folder / str(len(left)), weights, report, {"log.jsonl": b"{}\n"}, portion=len(left)):
        left.append(folder / str(len(left)))
    return left


@pytest.mark.usefixtures("small_files")
def test_every_portion_can_be_carried_and_together_they_are_the_weights(
    model: CodeGen, recipe: dict[str, Any], tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    left = portions(model, recipe, tmp_path)
    assert len(left) >= 2
    for folder in left:
        sizes = [path.stat().st_size for path in folder.iterdir()]
        assert len(sizes) <= 8
        assert sum(sizes) <= 52_000
    collect_uploads(left[::-1], tokenizer, tmp_path / "run")
    checkpoint = Checkpoint.open(tmp_path / "run" / "checkpoint")
    for name, parameter in model.named_parameters():
        expected = parameter.detach().bfloat16().float()
        assert torch.equal(torch.from_numpy(checkpoint.tensor(name)), expected)
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == b"{}\n"
    facts = json.loads((tmp_path / "run" / "checkpoint" / "cg2ls.json").read_text())
    assert facts["name"] == make_facts(Recipe.from_dict(recipe)).name


@pytest.mark.usefixtures("small_files")
def test_a_missing_portion_is_named(
    model: CodeGen, recipe: dict[str, Any], tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    left = portions(model, recipe, tmp_path)
    with pytest.raises(TrainingError, match=rf"name the folders of all {len(left)} portions"):
        collect_uploads(left[:1], tokenizer, tmp_path / "run")
    with pytest.raises(TrainingError, match=r"first portion"):
        collect_uploads(left[1:], tokenizer, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_is_named(
    model: CodeGen, recipe: dict[str, Any], tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    (folder,) = portions(model, recipe, tmp_path)
    weights = folder / "weights-00"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(TrainingError, match=r"weights-00 is missing or damaged"):
        collect_uploads([folder], tokenizer, tmp_path / "run")
