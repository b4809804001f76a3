"""A mixture's order is a function of the seed and the row's number, and its shares are the recipe's."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2_training.data.mixture import BLOCK_ROWS, Schedule, SourceMix, apportion, resolve_mixes
from cg2_training.errors import TrainingError

sources = st.lists(
    st.tuples(
        st.floats(0.01, 10), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(1, 3 * BLOCK_ROWS)
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


def schedule_of(drawn: list[tuple[float, float, int]], seed: int) -> Schedule:
    mixes = [SourceMix(weight=weight, epochs=epochs) for weight, epochs, _ in drawn]
    return Schedule(mixes, [rows for *_, rows in drawn], seed)


def most(schedule: Schedule, rows: int) -> int:
    return rows if schedule.limit is None else min(rows, schedule.limit)


@settings(max_examples=30)
@given(sources, st.integers(0, 9), st.randoms(use_true_random=False))
def test_any_row_can_be_read_alone(drawn: list[tuple[float, float, int]], seed: int, random) -> None:  # type: ignore[no-untyped-def]
    schedule = schedule_of(drawn, seed)
    numbers = list(range(most(schedule, 3 * BLOCK_ROWS)))
    in_order = [schedule.locate(number) for number in numbers]
    some = random.sample(numbers, min(20, len(numbers)))
    assert [schedule_of(drawn, seed).locate(number) for number in some] == [in_order[n] for n in some]


@settings(max_examples=30)
@given(sources, st.integers(0, 9))
def test_each_source_gives_its_rows_one_after_the_other(
    drawn: list[tuple[float, float, int]], seed: int
) -> None:
    schedule = schedule_of(drawn, seed)
    given_so_far: Counter[int] = Counter()
    for number in range(most(schedule, 3 * BLOCK_ROWS)):
        source, index = schedule.locate(number)
        assert index == given_so_far[source]
        given_so_far[source] += 1
    counts = schedule.count_rows(given_so_far.total())
    assert counts.tolist() == [given_so_far[source] for source in range(len(drawn))]


@settings(max_examples=30)
@given(sources, st.integers(0, 9))
def test_no_source_gives_more_than_its_epochs(drawn: list[tuple[float, float, int]], seed: int) -> None:
    schedule = schedule_of(drawn, seed)
    caps = [max(1, int(epochs * rows)) if epochs else None for _, epochs, rows in drawn]
    total = schedule.limit if schedule.limit is not None else 50 * BLOCK_ROWS
    for count, cap in zip(schedule.count_rows(total).tolist(), caps, strict=True):
        assert cap is None or count <= cap
    if schedule.limit is not None:
        assert schedule.count_rows(total).tolist() == caps, "a mixture ends when every source is used up"


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8))
def test_a_block_is_shared_out_exactly(weights: list[float]) -> None:
    quotas = apportion(np.array(weights), np.full(len(weights), np.inf))
    assert quotas.sum() == BLOCK_ROWS
    assert (quotas > 0).all()
    exact = np.array(weights) / sum(weights) * BLOCK_ROWS
    assert np.abs(quotas - exact).max() <= len(weights)


def test_equal_weights_are_equal_parts_of_every_block() -> None:
    schedule = Schedule([SourceMix(weight=0.5), SourceMix(weight=0.5)], [10, 100_000], seed=1)
    for blocks in range(4):
        assert schedule.count_rows(blocks * BLOCK_ROWS).tolist() == [blocks * BLOCK_ROWS // 2] * 2


def test_other_sources_replace_an_exhausted_one() -> None:
    mixes = [SourceMix(weight=1, epochs=1), SourceMix(weight=1), SourceMix(weight=2)]
    schedule = Schedule(mixes, [100, 1000, 1000], seed=1)
    counts = schedule.count_rows(100 * BLOCK_ROWS)
    assert counts[0] == 100
    assert counts[2] / counts[1] == pytest.approx(2, rel=0.01)


def test_the_seed_decides_the_order_but_not_the_shares() -> None:
    mixes = [SourceMix(weight=1), SourceMix(weight=3)]
    orders = []
    for seed in (1, 2):
        schedule = Schedule(mixes, [10, 10], seed)
        orders.append([schedule.locate(number)[0] for number in range(BLOCK_ROWS)])
        assert schedule.count_rows(BLOCK_ROWS).tolist() == [BLOCK_ROWS // 4, 3 * BLOCK_ROWS // 4]
    assert orders[0] != orders[1]


def test_a_row_after_the_end_is_named() -> None:
    schedule = Schedule([SourceMix(weight=1, epochs=2)], [30], seed=1)
    assert schedule.locate(59) == (0, 59)
    with pytest.raises(TrainingError, match="exhausted after 60 rows; raise the epochs"):
        schedule.locate(60)


def test_without_weights_in_the_recipe_every_token_counts_the_same() -> None:
    mixes = resolve_mixes({}, {"code": 900, "text": 100})
    assert {name: mix.weight for name, mix in mixes.items()} == {"code": 900, "text": 100}


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ({"cod": SourceMix(weight=1)}, "names the source 'cod', but the sources are: code, text"),
        (
            {"code": SourceMix(weight=1)},
            "does not name the source 'text'; give it a weight, or 0 to exclude it",
        ),
        ({"code": SourceMix(weight=0), "text": SourceMix(weight=0)}, "has the weight 0"),
    ],
)
def test_weights_that_do_not_fit_the_sources_are_named(recipe: dict[str, SourceMix], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        resolve_mixes(recipe, {"code": 900, "text": 100})


def test_a_source_without_weight_is_excluded() -> None:
    recipe = {"code": SourceMix(weight=1), "text": SourceMix(weight=0)}
    assert list(resolve_mixes(recipe, {"code": 900, "text": 100})) == ["code"]
