"""The wait follows the user and the model, and is always a number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.trigger.debounce import LONGEST_WAIT, Debounce

NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True))


def typed(gap: float, answer: float | None) -> Debounce:
    rhythm = Debounce()
    for number in range(20):
        rhythm.key(number * gap)
    if answer is not None:
        rhythm.answered(answer)
    return rhythm


def test_answers_that_come_between_two_keys_need_no_wait():
    assert typed(0.2, 0.05).wait() == 0


def test_slow_answers_wait_for_a_pause():
    assert 0.2 < typed(0.2, 2.0).wait() <= 0.3
    assert typed(0.1, 2.0).wait() < typed(0.2, 2.0).wait()


def test_before_anything_was_measured_there_is_no_wait():
    assert Debounce().wait() == 0
    assert typed(0.2, None).wait() == 0


def test_a_pause_is_no_rhythm():
    rhythm = typed(0.1, 2.0)
    before = rhythm.wait()
    rhythm.key(1000.0)
    assert rhythm.wait() == before


@given(NUMBERS, NUMBERS)
def test_it_is_never_anything_but_a_wait(keys, answers):
    rhythm = Debounce()
    for now in keys:
        rhythm.key(now)
    for seconds in answers:
        rhythm.answered(seconds)
    assert 0 <= rhythm.wait() <= LONGEST_WAIT
