"""A toy corpus of token shards, and synthetic results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cg2_training.data.shards import tokenize_corpus
from cg2_training.lessons.arms import Lesson, lessons_of, size_recipe
from cg2_training.lessons.corpora import Corpora
from cg2_training.lessons.plan import Plan
from cg2_training.lessons.results import write_result
from cg2_training.lessons.scores import INFILL_MEASURES, PLACES, RowScores
from cg2ls.models.codegen2 import CodeTokenizer

TOY = (
    "model.n_layer=1",
    "model.n_embd=32",
    "model.n_head=4",
    "model.rotary_dim=8",
    "model.context_length=64",
    "optimizer.name=adamw",
    "optimizer.warmup_steps=1",
    "run.steps=6",
    "run.rows_per_step=4",
    "run.save_every=2",
    "run.compile=false",
    "run.loaders=0",
    "run.threads=1",
)
"""Changes that make a size a toy."""

ROWS = 20


@pytest.fixture(scope="session")
def shards(corpus: Path, tokenizer: CodeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Code: a folder with train and heldout, of the same text, which is enough for a toy."""
    folder = tmp_path_factory.mktemp("lessons") / "code"
    for split in ("train", "heldout"):
        tokenize_corpus(corpus, tokenizer, folder / split, progress=False)
    return folder


@pytest.fixture(scope="session")
def text_shards(tokenizer: CodeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lessons") / "text"
    folder.mkdir()
    lines = folder / "text.jsonl"
    lines.write_text(json.dumps({"text": "The quick brown fox jumps over the lazy dog. " * 400}) + "\n")
    for split in ("train", "heldout"):
        tokenize_corpus(lines, tokenizer, folder / split, progress=False)
    return folder


@pytest.fixture
def make_plan(shards: Path, tmp_path: Path) -> Callable[..., Plan]:
    """A plan of some lessons at toy size; keywords replace what it has."""

    def make(
        *lessons: int,
        text: Path | None = None,
        overrides: tuple[str, ...] = (),
        seeds: int = 1,
        work: Path = tmp_path / "work",
        only: tuple[str, ...] = (),
    ) -> Plan:
        corpora = Corpora.open(shards, text)
        chosen: list[Lesson] = lessons_of(lessons)
        full = size_recipe("2m", corpora.tokenizer, [*TOY, *overrides])
        return Plan("2m", full, corpora, chosen, seeds, ROWS, work, only)

    return make


def made_up_scores(nats_per_token: Mapping[str, float], rows: int = 40, seed: int = 0) -> RowScores:
    """Scores whose rows all have 10 labels of 30 bytes, with noise that arms of one seed share."""
    names = ["causal", "continuation", *(f"{name}/{place}" for name in INFILL_MEASURES for place in PLACES)]
    noise = np.random.default_rng(seed).normal(0, 2, rows)
    return RowScores(
        {f"code/{name}": noise + 10 * nats_per_token.get(name.split("/")[0], 3.0) for name in names},
        {f"code/{name}": np.full(rows, 10) for name in names},
        {f"code/{name}": np.full(rows, 30) for name in names},
        "labels",
    )


def notes(arm: str, **changes: Any) -> dict[str, Any]:
    return {
        "size": "2m",
        "parameters": 2_000_000,
        "commit": "abc",
        "precision": "float32",
        "tokens": 1000,
        "epochs": {"code": 0.5},
        "recipe": {"name": arm, "model": {"context_length": 64}, "run": {"steps": 6}},
        **changes,
    }


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Two seeds of lesson 2's arms: PSM costs a tenth of a nat left to right, and infills."""
    folder = tmp_path / "results"
    for seed in (1, 2):
        for arm, nats in {"causal": {"causal": 2.0, "psm": 5.0}, "psm": {"causal": 2.1, "psm": 3.0}}.items():
            write_result(folder, arm, seed, notes(arm), made_up_scores(nats, seed=seed))
    return folder
