"""The wait follows the user and the model, and is always a number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.trigger.debounce import MAX_WAIT_S, Debounce

NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True))


def typed(gap: float, answer: float | None) -> Debounce:
    debounce = Debounce()
    for number in range(20):
        debounce.record_key(number * gap)
    if answer is not None:
        debounce.record_answer(answer)
    return debounce


def test_answers_that_come_between_two_keys_need_no_wait():
    assert typed(0.2, 0.05).compute_wait() == 0


def test_slow_answers_wait_for_a_pause():
    assert 0.2 < typed(0.2, 2.0).compute_wait() <= 0.3
    assert typed(0.1, 2.0).compute_wait() < typed(0.2, 2.0).compute_wait()


def test_there_is_no_wait_before_the_first_answer():
    assert Debounce().compute_wait() == 0
    assert typed(0.2, None).compute_wait() == 0


def test_a_pause_does_not_change_the_wait():
    debounce = typed(0.1, 2.0)
    before = debounce.compute_wait()
    debounce.record_key(1000.0)
    assert debounce.compute_wait() == before


@given(NUMBERS, NUMBERS)
def test_the_wait_is_always_a_number_within_the_limit(keys, answers):
    debounce = Debounce()
    for now in keys:
        debounce.record_key(now)
    for seconds in answers:
        debounce.record_answer(seconds)
    assert 0 <= debounce.compute_wait() <= MAX_WAIT_S
