"""The cache never changes an answer (float32 weights), only its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.engine import Engine, Request
from cg2ls.engine.kv_cache import CachedTokens

if TYPE_CHECKING:
    from pathlib import Path

LONG = b"import os, sys; print(os.sep)"
"""Bytes forced at an answer's start, so that it has several tokens with any weights."""


@pytest.fixture(scope="module")
def shared(tiny_model: Path):
    """One engine for all examples of a property, so that each begins with the cache of the one before."""
    with Engine.open(tiny_model, threads=1) as opened:
        yield opened


edits = st.lists(st.tuples(st.integers(0, 40), st.text("ab=( \n", max_size=12)), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(edits=edits, max_tokens=st.integers(1, 12), forced=st.sampled_from([b"", b"re", LONG]))
def test_a_typing_trace_is_answered_as_without_a_cache(shared, uncached, edits, max_tokens, forced):
    text = "def add(a, b):\n    return a"
    for cut, typed in edits:
        text = text[: len(text) - cut] + typed or "x"
        request = Request(prompt=shared.tokenizer.encode(text), forced=forced, max_tokens=max_tokens)
        steps, expected = list(shared.complete(request)), uncached(request)
        assert [step.token for step in steps] == [step.token for step in expected]
        assert [step.logprob for step in steps] == pytest.approx(
            [step.logprob for step in expected], abs=1e-3
        )


@settings(max_examples=15, deadline=None, derandomize=True)
@given(stop_after=st.lists(st.integers(0, 9), min_size=1, max_size=4), chunk=st.integers(1, 8))
def test_cancelled_requests_leave_a_valid_cache(shared, uncached, words, stop_after, chunk):
    shared.prefill_chunk = chunk
    for position, allowed in enumerate(stop_after):
        left = iter([False] * allowed)
        prompt = [*words(10 + 3 * position), position]
        list(shared.complete(Request(prompt=prompt, forced=LONG), stop=lambda left=left: next(left, True)))
    request = Request(prompt=words(30), forced=LONG, max_tokens=12)
    assert [step.token for step in shared.complete(request)] == [step.token for step in uncached(request)]


@pytest.mark.parametrize("chunk", [1, 7, 16, 1000])
def test_chunked_prefill_gives_the_answer_of_unchunked(engine, uncached, words, chunk):
    engine.prefill_chunk = chunk
    request = Request(prompt=words(50), forced=LONG, max_tokens=10)
    assert [step.token for step in engine.complete(request)] == [step.token for step in uncached(request)]


def test_only_different_tokens_are_read_again(engine, words):
    prompt = words(40)
    list(engine.complete(Request(prompt=prompt, max_tokens=1)))
    assert engine.last.reused_tokens == 0
    list(engine.complete(Request(prompt=[*prompt, 5, 6], max_tokens=1)))
    assert engine.last.reused_tokens == 40
    list(engine.complete(Request(prompt=prompt[:20], max_tokens=1)))
    assert engine.last.reused_tokens == 19, "the last token runs again, for its logits"


def test_an_accepted_answer_is_not_read_again(engine, words):
    prompt = words(20)
    answer = [step.token for step in engine.complete(Request(prompt=prompt, forced=LONG, max_tokens=6))]
    assert engine.cached_tokens == prompt + answer[:-1]
    list(engine.complete(Request(prompt=prompt + answer, max_tokens=1)))
    assert engine.last.reused_tokens == len(prompt) + len(answer) - 1


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_common_prefix(cached, wanted):
    tokens = CachedTokens(16)
    tokens.append(np.array(cached, dtype=np.int64))
    expected = next((i for i, pair in enumerate(zip(cached, wanted)) if pair[0] != pair[1]), None)  # noqa: B905
    found = tokens.count_common_prefix(np.array(wanted, dtype=np.int64))
    assert found == (min(len(cached), len(wanted)) if expected is None else expected)


def test_truncating_forgets_and_appending_follows():
    tokens = CachedTokens(8)
    tokens.append(np.array([1, 2, 3]))
    tokens.truncate(5)
    assert tokens.tokens.tolist() == [1, 2, 3]
    tokens.truncate(1)
    tokens.append(np.array([9]))
    assert tokens.tokens.tolist() == [1, 9]
