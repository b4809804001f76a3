"""The packs of the next runs are rehearsed at toy size, with all pieces and only the packed code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cg2_training.errors import TrainingError
from cg2_training.remote.pack import Pack, pack_run
from cg2_training.remote.upload import collect_uploads
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer
from tests.training.objective.recipes import RECIPES
from tests.training.remote.test_session import report_of, run_session

NEXT = ("python-27m-served", "python-27m-second", "javascript-27m")
RETURNED_BYTES = 64 * 2**20
"""The maximum size of a session's upload."""


def toy(name: str, recipe: dict[str, Any]) -> Recipe:
    """Return the recipe with a toy's shape, batch and intervals; objective and optimizer are its own."""
    raw = RECIPES[name].to_dict()
    raw["model"] = recipe["model"]
    raw["optimizer"]["warmup_steps"] = 2
    raw["objective"]["max_spans"] = min(raw["objective"]["max_spans"], raw["model"]["n_masks"])
    raw["run"] |= recipe["run"] | {"evaluate_every": 1000, "save_every": 1000, "served_places": 4}
    raw["run"]["int4_share"] = 0.0
    return Recipe.from_dict(raw, name)


def pack_toy(
    recipe: Recipe, corpus: Path, tokenizer: CodeTokenizer, folder: Path, start: Path | None = None
) -> Pack:
    source = folder / "source"
    source.mkdir(parents=True)
    (source / "recipe.toml").write_text(recipe.to_toml())
    (source / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    for split in ("train", "heldout"):
        (source / f"{split}.jsonl").write_bytes(corpus.read_bytes())
    (source / "corpus.json").write_text(json.dumps({"sources": {}}))
    return pack_run(
        source / "recipe.toml",
        source,
        source / "tokenizer.json",
        folder / "pack",
        start=start,
        piece_mb=0.1,
        progress=False,
    )


def train(packed: Pack, machine: Path) -> dict[str, Any]:
    """Run the pack's one session on a new machine and return its report."""
    machine.mkdir()
    session = run_session(packed.folder, machine, "--session", "1", "--last")
    assert session.returncode == 0, session.stderr
    return report_of(machine / "out")


def first_loss(machine: Path) -> float:
    lines = (machine / "work" / "run" / "log.jsonl").read_text().splitlines()
    return float(json.loads(lines[0])["loss"])


@pytest.mark.slow
def test_the_second_session_continues_from_the_weights_of_the_first(
    recipe: dict[str, Any], corpus: Path, tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    """The machine of the first session is gone; its upload is all that is left."""
    one, other = tmp_path / "one", tmp_path / "other"
    packed = pack_toy(toy("python-27m-served", recipe), corpus, tokenizer, tmp_path / "served")
    assert len(packed.pieces) > 1
    served = train(packed, one)["heldout"]["served"]
    assert set(served["right_suffix"]) == {"first", "2 to 4", "5 and on", "eom"}
    collect_uploads([one / "out"], tokenizer, tmp_path / "run")
    start = tmp_path / "run" / "checkpoint"
    packed = pack_toy(toy("python-27m-second", recipe), corpus, tokenizer, tmp_path / "second", start)
    train(packed, other)
    # A slow machine makes few steps in the first session, but random weights have the loss of a uniform guess.
    assert first_loss(other) < first_loss(one) - 0.03, "it does not begin with random weights"
    collect_uploads([other / "out"], tokenizer, tmp_path / "end")
    assert Checkpoint.open(tmp_path / "end" / "checkpoint").config == Checkpoint.open(start).config


@pytest.mark.slow
def test_the_javascript_pack_trains(recipe: dict[str, Any], tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    lines = tmp_path / "js.jsonl"
    text = "export function add(a, b) {\n  const sum = a + b;\n  return sum;\n}\n" * 400
    lines.write_text(json.dumps({"text": text}) + "\n")
    packed = pack_toy(toy("javascript-27m", recipe), lines, tokenizer, tmp_path / "js")
    assert train(packed, tmp_path / "machine")["heldout"]["bits_per_byte"] < 4


@pytest.mark.parametrize("name", NEXT)
def test_a_next_run_fits_a_session(name: str) -> None:
    parameters = RECIPES[name].model.config().n_parameters
    assert 27e6 < parameters < 35e6
    assert 2 * parameters < RETURNED_BYTES, "bfloat16 weights come back at once"
    assert RECIPES[name].optimizer.schedule == "wsd", "the machine decides the length"


def test_weights_of_another_shape_are_refused(
    recipe: dict[str, Any], corpus: Path, tokenizer: CodeTokenizer, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    with pytest.raises(TrainingError, match="has another shape than"):
        pack_toy(toy("python-27m-second", recipe), corpus, tokenizer, tmp_path / "pack", tiny_checkpoint)
