"""Paired effects compared with plain loops and with known results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2_training.errors import TrainingError
from cg2_training.lessons.findings import BOOTSTRAP_SEED, CHUNK, RESAMPLES, deviation, paired_effect


def made_up(seeds: int, rows: int, effect: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seeds, rows])
    weights = rng.integers(1, 9, rows).astype(np.float64)
    baseline = rng.normal(3, 1, (seeds, rows)) * weights
    return baseline + (effect + rng.normal(0, 0.5, (seeds, rows))) * weights, baseline, weights


def test_interval_is_that_of_a_plain_loop() -> None:
    arm, baseline, weights = made_up(3, 17, 0.1)
    rng, found = np.random.default_rng(BOOTSTRAP_SEED), []
    for _ in range(RESAMPLES // CHUNK):
        for drawn in rng.integers(17, size=(CHUNK, 17)):
            difference = below = 0.0
            for row in drawn:
                difference += sum(arm[seed, row] - baseline[seed, row] for seed in range(3)) / 3
                below += weights[row]
            found.append(difference / below)
    effect = paired_effect(arm, baseline, weights)
    assert effect.low == pytest.approx(np.quantile(found, 0.025))
    assert effect.high == pytest.approx(np.quantile(found, 0.975))
    assert effect.mean == pytest.approx((arm - baseline).sum() / 3 / weights.sum())
    assert effect.by_seed[1] == pytest.approx((arm[1] - baseline[1]).sum() / weights.sum())
    assert effect.seed_deviation == pytest.approx(np.std(effect.by_seed, ddof=1))
    assert effect.rows == 17


@settings(max_examples=20, deadline=None)
@given(seeds=st.integers(1, 4), rows=st.integers(2, 30), effect=st.floats(-2, 2))
def test_effect_is_in_its_interval_and_changes_sign_with_the_arms(
    seeds: int, rows: int, effect: float
) -> None:
    arm, baseline, weights = made_up(seeds, rows, effect)
    there, back = paired_effect(arm, baseline, weights), paired_effect(baseline, arm, weights)
    assert there.low <= there.mean <= there.high
    assert (back.low, back.mean, back.high) == pytest.approx((-there.high, -there.mean, -there.low))


def test_noise_that_both_arms_share_does_not_widen_the_interval() -> None:
    shared = np.random.default_rng(1).normal(0, 100, (2, 50))
    effect = paired_effect(shared + 0.5, shared, np.ones(50))
    assert effect.low == pytest.approx(0.5)
    assert effect.high == pytest.approx(0.5)
    assert effect.is_resolved


def test_95_of_100_intervals_contain_the_truth() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        differences = rng.normal(0.2, 1, (1, 200))
        effect = paired_effect(differences, np.zeros((1, 200)), np.ones(200))
        held += effect.low <= 0.2 <= effect.high
    assert 88 <= held <= 100


@pytest.mark.parametrize(
    ("by_seed", "resolved"),
    [([[1.0], [1.1]], True), ([[1.0], [-0.5]], False), ([[1.0]], False), ([[0.0], [0.0]], False)],
)
def test_an_effect_needs_seeds_that_agree(by_seed: list[list[float]], resolved: bool) -> None:
    arm = np.repeat(np.array(by_seed), 20, axis=1)
    assert paired_effect(arm, np.zeros_like(arm), np.ones(20)).is_resolved is resolved


def test_arms_of_other_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="cannot be paired"):
        paired_effect(np.ones((1, 3)), np.ones((1, 4)), np.ones(4))
    with pytest.raises(TrainingError, match="no labels"):
        paired_effect(np.ones((1, 3)), np.ones((1, 3)), np.zeros(3))


def test_one_value_has_no_spread() -> None:
    assert deviation((1.0,)) is None
    assert deviation((1.0, 3.0)) == pytest.approx(2**0.5)
