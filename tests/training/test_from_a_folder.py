"""From a folder of code to a model that completes, by the commands of docs/reference/training-data.md."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from cg2_training.cli.main import main
from cg2_training.run.recipe import Recipe
from cg2ls.engine import Engine, Request
from tests.training.conftest import STDLIB_MODULES


def test_a_folder_becomes_a_model(
    recipe: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    library = Path(sysconfig.get_paths()["stdlib"])
    Path("project").mkdir()
    for module in STDLIB_MODULES:
        shutil.copy(library / f"{module}.py", "project")
    recipe["model"] |= {"n_embd": 64, "rotary_dim": 16, "vocab_size": 640}
    Path("toy.toml").write_text(Recipe.from_dict(recipe).to_toml())
    steps = """\
corpus collect project --licence own --heldout 0.3 --workers 1 -o runs/corpus
tokenizer runs/corpus -o runs/tokenizer.json --vocab-size 640 --masks 20
tokenize runs/corpus --tokenizer runs/tokenizer.json -o runs/shards
show-batch toy.toml --train runs/shards/train
pretrain toy.toml --train runs/shards/train --heldout runs/shards/heldout --run runs/toy
evaluate runs/toy/checkpoint --heldout runs/shards/heldout --rows 4 --objective causal --objective psm
export runs/toy --heldout runs/shards/heldout --corpus runs/corpus -o models/toy
"""
    for step in steps.splitlines():
        assert main(step.split()) == 0, capsys.readouterr().err
    assert "project  psm" in capsys.readouterr().out
    card = Path("models/toy/README.md").read_text()
    assert "cg2-train corpus collect SOURCES" in card
    assert "documents of the same sources" in card
    with Engine.open(Path("models/toy")) as engine:
        assert list(engine.complete(Request(prompt=engine.tokenizer.encode("def "), max_tokens=3)))
