"""Which token is drawn, and what its log-probability is."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.engine import EngineError, Request
from cg2ls.engine.sampler import ByteIndex, ForcedStart, LogitSampler, LogSoftmax

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
    assert logits[LogitSampler(0, 1, 0).pick(logits)] == logits.max()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_only_allowed_tokens_are_picked(temperature):
    sampler = LogitSampler(temperature, 0.9, 1)
    assert {sampler.pick(LOGITS, np.array([2, 3])) for _ in range(50)} <= {2, 3}


@pytest.mark.parametrize(
    ("top_p", "nucleus"), [(0.4, {0}), (0.5, {0}), (0.51, {0, 1}), (0.9, {0, 1, 2}), (1.0, {0, 1, 2, 3})]
)
def test_the_nucleus_is_the_smallest_set_of_likeliest_tokens_with_enough_probability(top_p, nucleus):
    probabilities = np.array([0.5, 0.25, 0.1875, 0.0625], dtype=np.float32)  # exact in binary
    sampler = LogitSampler(1.0, top_p, 3)
    assert {sampler.pick(np.log2(probabilities) * np.float32(math.log(2))) for _ in range(400)} == nucleus


@given(some_logits, st.floats(0.01, 0.99), st.integers(0, 9))
def test_a_drawn_token_has_less_than_the_mass_before_it(logits, top_p, seed):
    token = LogitSampler(1.0, top_p, seed).pick(logits)
    probabilities = np.exp(logits.astype(np.float64) - logits.max())
    probabilities /= probabilities.sum()
    likelier = probabilities > probabilities[token] * (
        1 + 1e-6
    )  # float32 weights cannot distinguish closer ones
    assert probabilities[likelier].sum() < top_p + 1e-6


def test_frequencies_follow_the_probabilities():
    sampler = LogitSampler(1.0, 1.0, 7)
    counts = np.bincount([sampler.pick(LOGITS) for _ in range(4000)], minlength=4) / 4000
    assert counts == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_low_temperature_sharpens():
    sampler = LogitSampler(0.1, 1.0, 7)
    assert [sampler.pick(LOGITS) for _ in range(100)].count(0) > 95


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(engine, words):
    def answer(seed: int) -> list[int]:
        request = Request(prompt=words(12), temperature=2.0, top_p=0.95, seed=seed, max_tokens=12)
        return [step.token for step in engine.complete(request)]

    assert answer(1) == answer(1)
    assert len({tuple(answer(seed)) for seed in range(6)}) > 1


VOCABULARY = [b"", b"a", b"ab", b"abc", b"b", b"\xff", b"\xff\xff", b"\xffa", b"", b"ab", b"abd", b"\xfe"]
some_bytes = st.binary(min_size=1, max_size=5) | st.text("ab\xff", min_size=1, max_size=5).map(
    lambda text: text.encode("latin-1")
)


@given(vocabulary=st.lists(st.binary(max_size=3) | some_bytes, max_size=30), forced=some_bytes)
def test_allowed_are_the_tokens_that_agree_with_the_open_bytes(vocabulary, forced):
    allowed = ByteIndex(vocabulary).tokens_agreeing_with(forced).tolist()
    agreeing = [
        token
        for token, data in enumerate(vocabulary)
        if data and (data.startswith(forced) or forced.startswith(data))
    ]
    assert sorted(allowed) == agreeing


def test_tokens_without_bytes_are_never_allowed():
    assert not {0, 8} & set(ByteIndex(VOCABULARY).tokens_agreeing_with(b"abc").tolist())


def test_a_start_is_consumed_token_by_token():
    start = ForcedStart(ByteIndex(VOCABULARY), b"aab")
    assert start.allowed_tokens().tolist() == [1]
    start.consume(b"a")
    assert sorted(start.allowed_tokens().tolist()) == [1, 2, 3, 9, 10]
    start.consume(b"abc")
    assert start.allowed_tokens() is None


def test_without_forced_bytes_every_token_is_allowed():
    assert ForcedStart(ByteIndex(VOCABULARY), b"").allowed_tokens() is None


@settings(max_examples=20, deadline=None, derandomize=True)
@given(forced=st.text(min_size=1, max_size=8).map(str.encode) | some_bytes, heat=st.sampled_from([0.0, 1.5]))
def test_answers_begin_with_the_forced_bytes(tiny, forced, heat):
    request = Request(prompt=tiny.tokenizer.encode("x = "), forced=forced, max_tokens=40, temperature=heat)
    answer = b"".join(step.data for step in tiny.complete(request))
    assert answer.startswith(forced)


@pytest.fixture(scope="module")
def tiny(tiny_model):
    from cg2ls.engine import Engine

    with Engine.open(tiny_model, threads=1) as opened:
        yield opened


def test_an_answer_cut_short_has_the_beginning(engine, words):
    forced = b"import itertools"
    steps = list(engine.complete(Request(prompt=words(4), forced=forced, max_tokens=1)))
    assert len(steps) == 1
    assert forced.startswith(steps[0].data) or steps[0].data.startswith(forced)


def test_log_probabilities_are_the_models_own_not_the_masks(engine, words):
    free = next(engine.complete(Request(prompt=words(8), max_tokens=1)), None)
    forced = next(engine.complete(Request(prompt=words(8), forced=b"\xc3\x28", max_tokens=1)))
    assert forced.logprob < -1, "an unlikely byte stays unlikely though nothing else was allowed"
    assert free is None or free.logprob >= forced.logprob


def test_bytes_that_no_token_spells_are_an_error(engine, words):
    engine._vocabulary = dataclasses.replace(engine._vocabulary, index=ByteIndex([b"a"]))
    with pytest.raises(EngineError, match="no token for the bytes"):
        list(engine.complete(Request(prompt=words(4), forced=b"b")))
    assert np.array_equal(engine.cached_tokens, words(4))
