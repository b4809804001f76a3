"""The end of an answer, its report, and requests from several threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from cg2ls.engine import Engine, EngineError, Request
from cg2ls.engine.io_binding import MAX_LOGIT_ROWS
from cg2ls.engine.sequence import READ_AHEAD_CHUNK

LONG = b"import os, sys; print(os.sep)"


def stop_at(call: int):
    """Return a stop callback that returns True from that call on (the first is 1) and counts its calls."""

    def stop() -> bool:
        stop.calls += 1
        return stop.calls >= call

    stop.calls = 0
    return stop


def test_an_answer_has_at_most_max_tokens(engine, words):
    steps = list(engine.complete(Request(prompt=words(10), forced=LONG, max_tokens=3)))
    assert len(steps) == engine.last.generated == 3


def test_steps_carry_the_tokens_bytes(engine, words):
    steps = list(engine.complete(Request(prompt=words(10), forced=LONG, max_tokens=40)))
    assert b"".join(step.data for step in steps) == engine.tokenizer.decode_bytes(s.token for s in steps)
    assert all(step.logprob < 0 for step in steps)


def test_stop_tokens_end_an_answer_and_are_not_yielded(engine, words):
    endings = 0
    for seed in range(12):
        request = Request(prompt=words(5), max_tokens=100, temperature=3.0, seed=seed)
        steps = list(engine.complete(request))
        assert not any(engine.tokenizer.special.is_stop(step.token) for step in steps)
        endings += len(steps) < 100
    assert endings, "at a high temperature a stop token is drawn sooner or later"


def test_an_answer_ends_where_the_context_is_full(engine, words):
    room = 4
    prompt = words(engine.context_length - room)
    assert len(list(engine.complete(Request(prompt=prompt, forced=LONG, max_tokens=50)))) == room
    longest = words(engine.context_length - 1)
    assert len(list(engine.complete(Request(prompt=longest, forced=LONG)))) == 1


def test_a_prompt_that_fills_the_context_is_refused(engine, words):
    with pytest.raises(EngineError, match=f"takes {engine.context_length - 1} at most"):
        engine.complete(Request(prompt=words(engine.context_length)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": []}, "prompt is empty"),
        ({"prompt": [1], "max_tokens": 0}, "max_tokens is 0"),
        ({"prompt": [1], "temperature": -1.0}, "temperature is -1"),
        ({"prompt": [1], "temperature": float("nan")}, "temperature is nan"),
        ({"prompt": [1], "top_p": 0.0}, "top_p is 0"),
    ],
)
def test_invalid_requests_are_refused(arguments, message):
    with pytest.raises(EngineError, match=message):
        Request(**arguments)


@pytest.mark.parametrize("token", [-1, 10**6])
def test_ids_outside_of_the_vocabulary_are_refused(engine, token):
    with pytest.raises(EngineError, match="outside"):
        engine.complete(Request(prompt=[1, token]))


def test_cancelling_while_the_prompt_is_read_ends_after_the_chunk(engine, words):
    engine.prefill_chunk = 8
    stop = stop_at(3)
    assert list(engine.complete(Request(prompt=words(40)), stop)) == []
    assert stop.calls == 3
    assert engine.cached_tokens == words(16), "two chunks were read before the third was refused"


def test_cancelling_while_generating_ends_within_one_step(engine, words):
    stop = stop_at(4)
    steps = list(engine.complete(Request(prompt=words(10), forced=LONG), stop))
    assert len(steps) == 3, "one call for the prompt and two for tokens were allowed"
    assert engine.cached_tokens == words(10) + [step.token for step in steps[:2]]


def test_an_abandoned_answer_frees_the_engine(engine, uncached, words):
    request = Request(prompt=words(10), forced=LONG, max_tokens=8)
    answer = engine.complete(request)
    first = next(answer)
    answer.close()
    assert engine.last.generated == 1
    assert engine.cached_tokens == words(10)
    assert next(engine.complete(request)).token == first.token


def test_a_second_answer_in_the_same_thread_is_refused_not_deadlocked(engine, words):
    request = Request(prompt=words(10), forced=LONG)
    first = engine.complete(request)
    next(first)
    with pytest.raises(EngineError, match="generating in this thread"):
        next(engine.complete(request))
    assert next(first), "the first one continues"
    first.close()
    assert next(engine.complete(request))


def test_another_thread_waits_for_its_turn(engine, words):
    request = Request(prompt=words(10), forced=LONG, max_tokens=4)
    first = engine.complete(request)
    tokens = [next(first).token]
    others: list[int] = []
    thread = threading.Thread(target=lambda: others.extend(s.token for s in engine.complete(request)))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    assert others == []
    tokens += [step.token for step in first]
    thread.join()
    assert others == tokens


def test_a_closed_engine_refuses_requests(engine, words):
    running = engine.complete(Request(prompt=words(10), forced=LONG))
    next(running)
    engine.close()
    assert list(running) == [], "the running answer ends at its next step"
    with pytest.raises(EngineError, match="closed"):
        next(engine.complete(Request(prompt=words(3))))


def test_an_error_of_onnxruntime_is_reported_in_one_sentence_and_the_next_request_is_answered(
    engine, uncached, words, monkeypatch
):
    request = Request(prompt=words(20), forced=LONG, max_tokens=5)
    calls = engine._manager.runner.contexts.newest._binding
    run, made = calls.run, []

    def failing(tokens, rows: int, total: int):
        made.append(tokens)
        if len(made) == 3:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : out of memory\nat somewhere.cc:12")
        return run(tokens, rows, total)

    with monkeypatch.context() as patched:
        patched.setattr(calls, "run", failing)
        with pytest.raises(EngineError, match=r"^The model could not be run: out of memory\.$"):
            list(engine.complete(request))
    assert engine.cached_tokens == words(20) + made[1].tolist()[:1]
    assert [s.token for s in engine.complete(request)] == [s.token for s in uncached(request)]


def test_timing_adds_up(engine, words):
    for step in engine.complete(Request(prompt=words(30), forced=LONG, max_tokens=6)):
        assert step.data
    last = engine.last
    assert (last.prompt_tokens, last.reused_tokens, last.generated) == (30, 0, 6)
    assert 0 < last.prefill_ms <= last.first_token_ms
    assert 0 < last.decode_runtime_ms <= last.decode_ms


def test_weights_that_give_no_numbers_are_an_error(engine, words, monkeypatch):
    calls = engine._manager.runner.contexts.newest._binding
    nothing = np.full((MAX_LOGIT_ROWS, engine.model.architecture.vocab_size), np.nan, dtype=np.float32)
    monkeypatch.setattr(calls, "run", lambda tokens, rows, total: nothing[:rows])
    with pytest.raises(EngineError, match="no finite numbers"):
        list(engine.complete(Request(prompt=words(5))))


def test_threads_must_be_positive(tiny_model):
    with pytest.raises(EngineError, match="threads is 0"):
        Engine.open(tiny_model, threads=0)


def test_a_prompt_that_was_read_ahead_is_found_and_gives_the_same_answer(tiny_model, words):
    request = Request(prompt=words(150), max_tokens=6)
    with Engine.open(tiny_model) as fresh:
        wanted = list(fresh.complete(request))
    with Engine.open(tiny_model) as engine:
        assert engine.read(request) == 149
        assert list(engine.complete(request)) == wanted
        assert engine.last.reused_tokens == 149


def test_nothing_is_read_ahead_twice(engine, words):
    request = Request(prompt=words(100))
    engine.read(request)
    assert engine.read(request) == 0
    assert engine.read(Request(prompt=words(120))) == 20
    list(engine.complete(Request(prompt=words(120), max_tokens=3)))
    last = engine.last
    assert engine.read(Request(prompt=words(120))) == 0
    assert engine.last is last, "it is the timing of the last answer"


def test_reading_ahead_ends_within_a_call_and_what_was_read_stays(engine, words):
    engine.unload()
    request, stop = Request(prompt=words(200)), stop_at(2)
    assert engine.read(request, stop) == READ_AHEAD_CHUNK
    assert stop.calls == 2
    assert engine.read(request) == 199 - READ_AHEAD_CHUNK


def test_a_prompt_that_does_not_fit_is_not_read_ahead(engine, words):
    with pytest.raises(EngineError, match="takes"):
        engine.read(Request(prompt=words(engine.context_length)))
