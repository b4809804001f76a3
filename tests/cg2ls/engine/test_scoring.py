"""Scores equal the log-probabilities without a cache."""

from __future__ import annotations

import numpy as np
import pytest

from cg2ls.engine import Engine, EngineOptions, Request, RequestError
from cg2ls.engine.request import log_softmax
from cg2ls.engine.scoring import Continuation


def reference(engine: Engine, tokens: list[int], scored: int) -> list[float]:
    found = []
    for end in range(len(tokens) - scored, len(tokens)):

        class Recorder:
            logprob = 0.0

            def mix(self, generated, logits, wanted=tokens[end]):
                self.logprob = float(log_softmax(logits.copy())[wanted])
                return log_softmax(logits)

            def draft(self, generated, max_tokens):
                return ()

        recorder = Recorder()
        list(engine.complete(Request(prompt=tokens[:end], max_tokens=1, prior=recorder)))
        found.append(recorder.logprob)
    return found


@pytest.mark.parametrize(("given", "scored"), [(1, 1), (3, 5), (9, 30), (40, 60)])
def test_scores_are_those_of_reading_everything(engine, words, given, scored):
    text, extra = words(60 + given + scored), words(90)[80:]
    prefix, rest = text[:60], text[60:]
    request = Request(prompt=[*text[:40], 5, 6, 7])
    found = engine.score(
        prefix, [Continuation(rest[:given], rest[given:]), Continuation(extra[:4], extra[4:])], beside=request
    )
    assert found is not None
    assert found[0] == pytest.approx(reference(engine, text, scored), abs=1e-3)
    assert found[1] == pytest.approx(reference(engine, [*prefix, *extra], 6), abs=1e-3)


def test_the_cache_of_the_request_stays(engine, words):
    request = Request(prompt=[*words(50), 3, 4, *words(20)], max_tokens=2)
    list(engine.complete(request))
    for _ in range(2):
        assert engine.score(words(50), [Continuation([7], [8])], beside=request)
        list(engine.complete(request))
        assert engine.last.reused_tokens == len(request.prompt) - 1


def test_with_one_context_there_are_no_scores(tiny_model, words):
    with Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=1)) as engine:
        request = Request(prompt=words(50), max_tokens=2)
        list(engine.complete(request))
        assert engine.score(words(40), [Continuation([7], [8])], beside=request) is None
        list(engine.complete(request))
        assert engine.last.reused_tokens == 49


def test_no_scores_without_time_or_after_cancelling(engine, words, monkeypatch):
    request = Request(prompt=words(50), time_limit_ms=1)
    given = [Continuation([7], [8])]
    assert engine.score(words(40), given, lambda: True, beside=request) is None
    monkeypatch.setattr("cg2ls.engine.engine.Deadline.allows", lambda *_: False)
    assert engine.score(words(40), given, beside=request) is None


def test_texts_that_do_not_fit_the_context_are_refused(engine, words):
    request = Request(prompt=words(10))
    long = words(engine.context_length - 5)
    with pytest.raises(RequestError, match="at most"):
        engine.score(long, [Continuation([1, 2, 3], [4, 5, 6])], beside=request)
    assert engine.score(long, [Continuation([1, 2], [4, 5, 6])], beside=request)


@pytest.mark.parametrize(("given", "scored"), [([], [1]), ([1], [])])
def test_a_continuation_without_tokens_is_refused(given, scored):
    with pytest.raises(RequestError):
        Continuation(given, scored)


def test_numbers_that_are_not_finite_are_refused(engine, words, monkeypatch):
    monkeypatch.setattr("cg2ls.engine.scoring._logprobs_at", lambda logits, tokens: [np.nan] * len(tokens))
    with pytest.raises(RequestError, match="no finite numbers"):
        engine.score(words(10), [Continuation([1], [2])], beside=Request(prompt=words(10)))
