"""An answer ends before its time limit, and the cache keeps what was read."""

from __future__ import annotations

from time import perf_counter

import pytest

from cg2ls.engine import Engine, EngineError, EngineOptions, Request, decoding
from cg2ls.engine.decoding import Deadline


class Slow:
    """A machine where a call takes as many milliseconds as it has tokens, on a simulated timer."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = perf_counter()
        self.calls: list[int] = []
        monkeypatch.setattr(decoding, "perf_counter", lambda: self.now)
        monkeypatch.setattr(engine._manager.costs, "seconds", lambda count: count / 1e3)
        calls = engine._manager.runner.contexts.newest._binding
        run = calls.run

        def slowly(tokens, rows, total):
            self.calls.append(len(tokens))
            self.now += len(tokens) / 1e3
            return run(tokens, rows, total)

        monkeypatch.setattr(calls, "run", slowly)


@pytest.fixture
def plain(tiny_model):
    with Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=1, drafts=False)) as engine:
        engine.prefill_chunk = 16
        yield engine


def ask(engine: Engine, prompt: list[int], **limits: float) -> list[int]:
    request = Request(prompt=prompt, max_tokens=30, ignore_stop_tokens=True, **limits)
    return [step.token for step in engine.complete(request)]


def test_the_answer_so_far_is_returned_within_the_time_limit(plain, words, monkeypatch):
    unlimited = ask(plain, words(20))
    ask(plain, [5])
    slow = Slow(plain, monkeypatch)
    began = slow.now
    answer = ask(plain, words(20), time_limit_ms=30.5)
    assert answer == unlimited[: len(answer)]
    assert len(answer) == 11, "20 ms for the prompt and 10 for as many tokens after the first"
    assert plain.last.ended == "time"
    assert slow.now - began <= 0.0305


def test_a_prefill_that_exceeds_the_time_limit_is_interrupted(plain, words, monkeypatch):
    slow = Slow(plain, monkeypatch)
    began = slow.now
    assert ask(plain, words(100), time_limit_ms=50) == []
    assert plain.last.ended == "time"
    assert slow.now - began <= 0.050
    assert plain.cached_tokens == words(48), "and the next request finds the tokens that were read"


def test_a_repeated_request_continues_after_the_time_limit(plain, words, uncached, monkeypatch):
    slow = Slow(plain, monkeypatch)
    answers = [ask(plain, words(100), time_limit_ms=50) for _ in range(3)]
    assert answers[:2] == [[], []]
    expected = uncached(Request(prompt=words(100), max_tokens=30, ignore_stop_tokens=True))
    assert answers[2] == [step.token for step in expected]
    assert sum(slow.calls) == 100 + 29


def test_an_answer_cut_by_the_time_limit_is_checked_as_a_draft_in_one_call(tiny_model, words, uncached):
    request = Request(prompt=words(20), max_tokens=12, ignore_stop_tokens=True)
    expected = [step.token for step in uncached(request)]
    with Engine.open(tiny_model, threads=1, options=EngineOptions(drafts=True)) as engine:
        engine._policy.choose_length = lambda source: 24
        first = ask(engine, words(20))[:5]
        again = Request(prompt=words(20), max_tokens=12, ignore_stop_tokens=True, draft_hint=expected[:11])
        assert [step.token for step in engine.complete(again)] == expected
        assert expected[:5] == first
        assert engine.last.decode_calls <= 1


def test_repeated_requests_make_progress_with_any_time_limit(plain, words, monkeypatch):
    Slow(plain, monkeypatch)
    asked = 0
    while not (answer := ask(plain, words(100), time_limit_ms=0.001)):
        asked += 1
        assert asked < 20
    assert len(answer) == 1


def test_a_draft_that_would_exceed_the_time_limit_is_left_out(tiny_model, words, monkeypatch):
    with Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=1, drafts=True)) as engine:
        engine._policy.choose_length = lambda source: 8
        slow = Slow(engine, monkeypatch)
        began = slow.now
        ask(engine, words(20), time_limit_ms=35)
        assert slow.now - began <= 0.035 + 1e-9


def test_a_time_limit_of_zero_is_refused():
    with pytest.raises(EngineError, match="time_limit_ms is 0, but must be above 0"):
        Request(prompt=[1], time_limit_ms=0)


def test_a_deadline_without_a_limit_leaves_time_for_everything():
    assert Deadline(None).allows(1e9)
    assert not Deadline(10).allows(1)
