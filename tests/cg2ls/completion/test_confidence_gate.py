"""The confidence of answers, and the gate."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.confidence_gate import MIN_CONFIDENCE, ConfidenceGate
from cg2ls.engine.request import Step

TOKENS = st.lists(st.tuples(st.binary(max_size=4), st.floats(-20, 0)), max_size=12)


def taken(steps, forced=b"", least=MIN_CONFIDENCE):
    gate = ConfidenceGate(forced, least)
    for data, logprob in steps:
        gate.take(Step(0, data, logprob))
    return gate


@pytest.mark.parametrize(
    ("forced", "steps", "confidence"),
    [
        (b"", [], 0.78),
        (b"", [(b"a", 0.0)], 0.78),
        (b"", [(b"a", -1.0)], 0.46),
        (b"", [(b"a", -1.0), (b"\n", -1.0)], 0.18),
        # typed text does not count: neither the typed word nor a single blank after it
        (b"na", [(b"name", -9.0)], 0.78),
        (b"na", [(b"n", -9.0), (b"ame", -9.0), (b"\n", -1.0)], 0.46),
        (b" na", [(b" ", -9.0), (b"name", -9.0)], 0.78),
        # the word after a blank counts
        (b" ", [(b" name", -1.0)], 0.46),
    ],
)
def test_the_confidence_of_an_answer(forced, steps, confidence):
    assert taken(steps, forced).confidence == pytest.approx(confidence, abs=0.01)


@given(TOKENS, st.binary(max_size=5), st.floats(0, 1))
def test_confidence_never_rises_and_sure_bytes_never_shrink(steps, forced, least):
    gates = [taken(steps[:count], forced, least) for count in range(len(steps) + 1)]
    for earlier, later in pairwise(gates):
        assert later.confidence <= earlier.confidence
        assert not later.is_sure or earlier.is_sure or not earlier._length
        assert later.sure_bytes >= earlier.sure_bytes


@given(TOKENS)
def test_a_threshold_of_zero_accepts_everything(steps):
    assert taken(steps, least=0.0).is_sure
