"""An answer begins with the forced bytes, whatever tokens spell them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.engine import EngineError, Request
from cg2ls.engine.forced_start import ByteIndex, ForcedStart

VOCABULARY = [b"", b"a", b"ab", b"abc", b"b", b"\xff", b"\xff\xff", b"\xffa", b"", b"ab", b"abd", b"\xfe"]
some_bytes = st.binary(min_size=1, max_size=5) | st.text("ab\xff", min_size=1, max_size=5).map(
    lambda text: text.encode("latin-1")
)


@given(vocabulary=st.lists(st.binary(max_size=3) | some_bytes, max_size=30), forced=some_bytes)
def test_allowed_are_the_tokens_that_agree_with_the_open_bytes(vocabulary, forced):
    allowed = ByteIndex(vocabulary).agreeing_with(forced).tolist()
    agreeing = [
        token
        for token, data in enumerate(vocabulary)
        if data and (data.startswith(forced) or forced.startswith(data))
    ]
    assert sorted(allowed) == agreeing


def test_tokens_without_bytes_are_never_allowed():
    assert not {0, 8} & set(ByteIndex(VOCABULARY).agreeing_with(b"abc").tolist())


def test_a_start_is_consumed_token_by_token():
    start = ForcedStart(ByteIndex(VOCABULARY), b"aab")
    assert start.allowed().tolist() == [1]
    start.take(b"a")
    assert sorted(start.allowed().tolist()) == [1, 2, 3, 9, 10]
    start.take(b"abc")
    assert start.allowed() is None


def test_nothing_forced_allows_everything():
    assert ForcedStart(ByteIndex(VOCABULARY), b"").allowed() is None


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


def test_an_answer_cut_short_holds_the_beginning(engine, words):
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
