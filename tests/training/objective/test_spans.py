"""Span lengths reach their sum exactly and do not depend on their place."""

from __future__ import annotations

import inspect
import tarfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.data.batches import RowStream
from cg2_training.data.row_stats import collect_row_stats
from cg2_training.data.shards import TokenShard
from cg2_training.objective import ObjectiveConfig, choose_spans
from cg2_training.objective.spans import draw_lengths
from tests.training.objective.recipes import RECIPES


@given(st.integers(1, 5000), st.integers(1, 2000), st.integers(1, 900), st.integers(0, 1000))
def test_lengths_have_the_requested_sum(total: int, longest: int, most: int, seed: int) -> None:
    lengths = draw_lengths(total, longest, most, np.random.default_rng(seed))
    assert lengths.sum() == total
    assert 1 <= len(lengths) <= most
    assert lengths.min() >= 1
    assert lengths.max() <= max(longest, -(-2 * total // most))


def test_two_lengths_are_uniform() -> None:
    rng = np.random.default_rng(1)
    first = [int(draw_lengths(100, 100, 2, rng)[0]) for _ in range(5000)]
    counts = np.histogram(first, bins=5, range=(1, 100))[0] / 5000
    assert counts == pytest.approx(0.2, abs=0.03)


def test_many_lengths_are_nearly_uniform_up_to_the_longest() -> None:
    rng = np.random.default_rng(1)
    lengths = np.concatenate([draw_lengths(20_000, 100, 10_000, rng) for _ in range(20)])
    assert np.histogram(lengths, bins=4, range=(1, 101))[0] / len(lengths) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("total", [90, 500, 1500])
def test_every_place_has_the_same_mean(total: int) -> None:
    rng = np.random.default_rng(1)
    by_place: dict[int, list[int]] = {}
    for _ in range(3000):
        drawn = draw_lengths(total, 400, 16, rng)
        if len(drawn) >= 2:
            for place, length in enumerate(drawn[:2]):
                by_place.setdefault(place, []).append(int(length))
            by_place.setdefault(-1, []).append(int(drawn[-1]))
    means = [np.mean(lengths) for lengths in by_place.values()]
    assert max(means) / min(means) < 1.05


def test_few_spans_are_longer_than_the_longest_rather_than_short_of_the_sum() -> None:
    lengths = draw_lengths(3000, 100, 3, np.random.default_rng(1))
    assert len(lengths) == 3
    assert lengths.sum() == 3000


TEXT = inspect.getsource(tarfile)
CHARS_PER_TOKEN = 3.3
DRAWS = 600
PARTS = sorted(
    {
        (recipe.objective, round(recipe.model.context_length * CHARS_PER_TOKEN)): name
        for name, recipe in RECIPES.items()
        if not recipe.objective.dense_share
    }.items(),
    key=lambda item: item[1],
)
"""Each objective and text length once, under the name of a recipe that has it; dense spans have other lengths."""


@pytest.mark.parametrize(("part", "name"), PARTS, ids=[name for _, name in PARTS])
def test_shares_and_lengths_are_the_recipe_s(part: tuple[ObjectiveConfig, int], name: str) -> None:
    objective, size = part
    shares: list[float] = []
    by_mask: dict[int, list[int]] = {}
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        text = TEXT[(begin := int(rng.integers(len(TEXT) - size))) : begin + size]
        spans = choose_spans(text, objective, rng, masks=RECIPES[name].model.n_masks)
        shares.append(sum(end - start for start, end in spans) / size)
        for number, (start, end) in enumerate(spans, start=1):
            by_mask.setdefault(number, []).append(end - start)
    middle = (objective.min_mask_ratio + objective.max_mask_ratio) / 2
    # The change of a span's length at a line's end is visible in the shortest context.
    assert np.mean(shares) == pytest.approx(middle, abs=0.02)
    assert np.quantile(shares, [0.02, 0.98]) == pytest.approx(
        [objective.min_mask_ratio, objective.max_mask_ratio], abs=0.03
    )
    means = {number: np.mean(lengths) for number, lengths in by_mask.items() if len(lengths) > 60}
    assert len(means) >= 3
    assert means[1] == pytest.approx(means[2], rel=0.1), "the same parts have both"
    assert max(means.values()) / min(means.values()) < 1.4, "masks that only crowded parts have"
    lengths = np.concatenate(list(by_mask.values()))
    assert lengths.max() <= objective.max_span_chars + 200, "an end moves to its line's at most"
    thirds = np.histogram(lengths, bins=3, range=(1, objective.max_span_chars))[0] / len(lengths)
    assert thirds.min() > 0.15, f"short, middling and long spans all occur: {thirds}"


@pytest.mark.parametrize("name", ["codegen2-1b", "python-125m", "python-27m", "python-small"])
def test_rows_have_the_shares_and_lengths_of_the_recipe(
    name: str, shard_of: Callable[..., TokenShard]
) -> None:
    recipe = RECIPES[name]
    objective = replace(recipe.objective, infill_share=1.0)
    stats = collect_row_stats(RowStream(shard_of(recipe), recipe.model.context_length, objective, 3), 0, 60)
    assert stats.cut == 0
    assert stats.infill_rows == stats.rows == 60
    assert np.mean(stats.ratios) == pytest.approx(0.275, abs=0.05)
    assert stats.middles / stats.parts > 2


@pytest.mark.parametrize("max_spans", [1, 3, 16])
@pytest.mark.parametrize("masks", [100, 899])
def test_ul2_masks_its_shares_for_any_max_spans(max_spans: int, masks: int) -> None:
    objective = ObjectiveConfig(infill="ul2", max_spans=max_spans)
    text = TEXT[:4000]
    shares = []
    for seed in range(400):
        spans = choose_spans(text, objective, np.random.default_rng(seed), masks=masks)
        assert len(spans) <= masks
        if len(spans) > 1:
            shares.append(sum(end - start for start, end in spans) / len(text))
    few, many = (np.isclose(shares, share, atol=0.001) for share in (0.15, 0.5))
    assert (few | many).all()
    assert few.mean() == pytest.approx(2 / 3, abs=0.08)
    assert len(shares) / 400 == pytest.approx(3 / 4, abs=0.06)


@pytest.mark.parametrize("name", ["javascript-27m", "python-27m-second", "python-27m-served"])
def test_rows_as_served_have_more_starts_and_known_text(
    name: str, shard_of: Callable[..., TokenShard]
) -> None:
    recipe, before = RECIPES[name], RECIPES["python-27m"]
    stats, plain = (
        collect_row_stats(
            RowStream(shard_of(one), one.model.context_length, replace(one.objective, infill_share=1.0), 3),
            0,
            60,
        )
        for one in (recipe, before)
    )
    told, told_before = stats.to_dict(), plain.to_dict()
    assert stats.cut == 0
    assert told["middle_starts_per_1000_labels"] > 2 * told_before["middle_starts_per_1000_labels"]
    assert told["single_line_share"] > 3 * told_before["single_line_share"]
    assert told["known_text"]["share_of_middles"] == pytest.approx(0.5, abs=0.1)
    # Known text that reaches the start of a short part counts too.
    assert 0.1 < told["suffix_first_share_of_parts"] < 0.45
    assert np.quantile(stats.ratios, 0.9) < 0.6
