"""Which token is drawn, and what its log-probability is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.engine import Request
from cg2ls.engine.sampling import LogSoftmax, Sampler

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))
some_logits = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40).map(
    lambda values: np.array(values, dtype=np.float32)
)


@given(some_logits)
def test_probabilities_sum_to_one(logits):
    total = math.fsum(math.exp(LogSoftmax(len(logits)).at(logits, token)) for token in range(len(logits)))
    assert total == pytest.approx(1, abs=1e-5)


def test_log_probability_of_huge_logits_does_not_overflow():
    assert LogSoftmax(2).at(np.array([3e38, 0], dtype=np.float32), 0) == 0
    assert math.isnan(LogSoftmax(2).at(np.array([np.nan, 0], dtype=np.float32), 0))


@given(some_logits)
def test_temperature_zero_takes_the_likeliest(logits):
    assert logits[Sampler(0, 1, 0).pick(logits)] == logits.max()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_only_allowed_tokens_are_picked(temperature):
    sampler = Sampler(temperature, 0.9, 1)
    assert {sampler.pick(LOGITS, np.array([2, 3])) for _ in range(50)} <= {2, 3}


@pytest.mark.parametrize(
    ("top_p", "nucleus"), [(0.4, {0}), (0.5, {0}), (0.51, {0, 1}), (0.9, {0, 1, 2}), (1.0, {0, 1, 2, 3})]
)
def test_the_nucleus_is_the_fewest_likeliest_tokens_that_weigh_enough(top_p, nucleus):
    probabilities = np.array([0.5, 0.25, 0.1875, 0.0625], dtype=np.float32)  # exact in binary
    sampler = Sampler(1.0, top_p, 3)
    assert {sampler.pick(np.log2(probabilities) * np.float32(math.log(2))) for _ in range(400)} == nucleus


@given(some_logits, st.floats(0.01, 0.99), st.integers(0, 9))
def test_a_drawn_token_has_less_than_the_mass_before_it(logits, top_p, seed):
    token = Sampler(1.0, top_p, seed).pick(logits)
    probabilities = np.exp(logits.astype(np.float64) - logits.max())
    probabilities /= probabilities.sum()
    likelier = probabilities > probabilities[token] * (
        1 + 1e-6
    )  # float32 weights cannot tell closer ones apart
    assert probabilities[likelier].sum() < top_p + 1e-6


def test_frequencies_follow_the_probabilities():
    sampler = Sampler(1.0, 1.0, 7)
    counts = np.bincount([sampler.pick(LOGITS) for _ in range(4000)], minlength=4) / 4000
    assert counts == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_low_temperature_sharpens():
    sampler = Sampler(0.1, 1.0, 7)
    assert [sampler.pick(LOGITS) for _ in range(100)].count(0) > 95


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(engine, words):
    def answer(seed: int) -> list[int]:
        request = Request(prompt=words(12), temperature=2.0, top_p=0.95, seed=seed, max_tokens=12)
        return [step.token for step in engine.complete(request)]

    assert answer(1) == answer(1)
    assert len({tuple(answer(seed)) for seed in range(6)}) > 1
