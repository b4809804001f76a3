"""Speed is of the steps alone."""

from __future__ import annotations

import pytest

from cg2_training import progress
from cg2_training.progress import Speed


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_an_evaluation_between_two_steps_makes_no_step_slower(clock) -> None:
    speed = Speed(1000)
    for pause in (0.0, 0.0, 7.0, 0.0, 30.0, 0.0):
        clock[0] += 2.0
        speed.waited(0.5)
        speed.step_ended()
        clock[0] += pause
        speed.paused(pause)
    assert speed.tokens_per_s == pytest.approx(500)
    assert speed.wait_share == pytest.approx(0.25)


def test_the_first_step_does_not_count_once_there_are_others(clock) -> None:
    speed = Speed(1000)
    for seconds in (60.0, 2.0, 2.0):
        clock[0] += seconds
        speed.waited(0.0)
        speed.step_ended()
    assert speed.tokens_per_s == pytest.approx(500)
