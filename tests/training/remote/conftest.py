"""A toy run, packed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cg2_training.remote.pack import Pack, pack_run
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import CodeTokenizer


@pytest.fixture
def toy_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    recipe["optimizer"] |= {"schedule": "wsd", "warmup_steps": 2}
    recipe["run"] |= {"evaluate_every": 1000, "save_every": 1000}
    return recipe


@pytest.fixture
def packed(toy_recipe: dict[str, Any], corpus: Path, tokenizer: CodeTokenizer, tmp_path: Path) -> Pack:
    """The toy run in pieces of 40 kB."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "recipe.toml").write_text(Recipe.from_dict(toy_recipe).to_toml())
    (source / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    (source / "train.jsonl").write_bytes(corpus.read_bytes())
    (source / "heldout.jsonl").write_bytes(corpus.read_bytes())
    sources = {"stdlib==3": {"split": "train"}, "tokenizers==1": {"split": "heldout"}}
    (source / "corpus.json").write_text(json.dumps({"sources": sources}))
    return pack_run(
        source / "recipe.toml",
        source,
        source / "tokenizer.json",
        tmp_path / "pack",
        piece_mb=0.04,
        progress=False,
    )
