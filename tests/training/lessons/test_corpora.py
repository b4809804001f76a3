"""Training data of arms: domains, weights, repeated subsets, and missing sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cg2_training.data.batches import row_stream
from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import ARMS, lessons_of, size_recipe
from cg2_training.lessons.corpora import Corpora, open_set
from cg2_training.lessons.plan import Plan, check_heldout, possible_lessons
from tests.training.lessons.conftest import TOY

MakePlan = Callable[..., Plan]


@pytest.mark.parametrize(
    ("arm", "epochs"), [("repeat4", 4.0), ("repeat16", 16.0), ("epochs4", 4.0), ("epochs1", 1.0)]
)
def test_arm_reads_its_tokens_the_stated_number_of_times(
    arm: str, epochs: float, make_plan: MakePlan
) -> None:
    plan = make_plan(5, overrides=("run.steps=16", "run.rows_per_step=8"))
    recipe = plan.recipe(ARMS[arm], 1)
    tokens = open_set(plan.train_sources(ARMS[arm]))
    stream = row_stream(tokens, plan.context, recipe.objective, 1, data=recipe.data)
    assert stream.epochs(recipe.run.steps * recipe.run.rows_per_step) == {"code": epochs}


def test_arms_with_the_same_tokens_share_one_subset(make_plan: MakePlan) -> None:
    plan = make_plan(5, overrides=("run.steps=16",))
    folders = {arm: plan.train_sources(ARMS[arm])["code"] for arm in ("repeat16", "epochs4", "epochs1")}
    assert len(set(folders.values())) == 1
    before = (folders["epochs1"] / "tokens.bin").stat().st_mtime_ns
    plan.train_sources(ARMS["repeat16"])
    assert (folders["epochs1"] / "tokens.bin").stat().st_mtime_ns == before


def test_a_subset_is_text_of_the_corpus(make_plan: MakePlan) -> None:
    plan = make_plan(5, overrides=("run.steps=16", "run.rows_per_step=16"))
    whole = TokenShard.open(plan.corpora.train["code"]["code"]).tokens.tolist()
    part = TokenShard.open(plan.train_sources(ARMS["repeat4"])["code"]).tokens
    assert part.tolist()[:500] == whole[:500]
    block = part[1024 : 1024 + 900].tolist()
    assert any(whole[start : start + 900] == block for start in np.flatnonzero(np.array(whole) == block[0]))


def test_half_and_half_reads_the_code_that_code_alone_reads(make_plan: MakePlan, text_shards: Path) -> None:
    plan = make_plan(4, text=text_shards)
    rows = {}
    for arm in ("mixture", "half"):
        recipe = plan.recipe(ARMS[arm], 1)
        tokens = open_set(plan.train_sources(ARMS[arm]))
        stream = row_stream(tokens, plan.context, recipe.objective, 1, data=recipe.data)
        found = [(stream.origin(number), stream.row(number).tolist()) for number in range(64)]
        rows[arm] = [row for origin, row in found if origin == "code"]
    assert 20 < len(rows["half"]) < 44
    assert rows["half"] == rows["mixture"][: len(rows["half"])]


def test_several_sources_share_their_domain_by_tokens(shards: Path, tmp_path: Path) -> None:
    for split in ("train", "heldout"):
        (tmp_path / split).mkdir()
        for name in ("a", "b"):
            (tmp_path / split / name).symlink_to(shards / split, target_is_directory=True)
    corpora = Corpora.open(tmp_path)
    assert corpora.weights(ARMS["mixture"]) == {"code-a": 0.5, "code-b": 0.5}


def test_a_missing_text_corpus_leaves_lesson_4_out(shards: Path) -> None:
    corpora = Corpora.open(shards)
    full = size_recipe("2m", corpora.tokenizer, TOY)
    possible, left_out = possible_lessons(lessons_of([]), corpora, full)
    assert [lesson.number for lesson in possible] == [1, 2, 3, 5]
    assert left_out == ["Lesson 4 needs a text corpus; name one with --text-corpus."]
    with pytest.raises(TrainingError, match="Lesson 4 needs a text corpus"):
        possible_lessons(lessons_of([4]), corpora, full)


def test_a_small_corpus_leaves_lesson_5_out_or_is_refused(shards: Path) -> None:
    corpora = Corpora.open(shards)
    tokens = corpora.tokens("code")
    twice = size_recipe("2m", corpora.tokenizer, [*TOY, f"run.steps={2 * tokens // 256}"])
    possible, left_out = possible_lessons(lessons_of([2, 5]), corpora, twice)
    assert [lesson.number for lesson in possible] == [2]
    assert left_out[0].startswith("Lesson 5 needs ")
    assert "add documents" in left_out[0]
    with pytest.raises(TrainingError, match=r"the code corpus has [\d,]+ tokens, and an arm reads"):
        possible_lessons(
            lessons_of([2]), corpora, size_recipe("2m", corpora.tokenizer, [*TOY, f"run.steps={tokens}"])
        )


def test_a_small_held_out_split_is_refused_before_training(shards: Path) -> None:
    corpora = Corpora.open(shards)
    with pytest.raises(TrainingError, match=r"the held-out code has \d+ rows of 50000 tokens, fewer than 16"):
        check_heldout(corpora, 50_000)


def test_a_missing_corpus_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has no token shard train; make it with cg2-train tokenize"):
        Corpora.open(tmp_path / "none")
