"""Which exceptions are engine failures, and which are faults of optional parts."""

from __future__ import annotations

import pytest

from cg2ls.completion import CompletionOptions, DocumentSession, Retrieval
from cg2ls.completion import session as sessions
from cg2ls.completion.faults import EngineFailedError, sample_engine
from cg2ls.completion.postprocess import pipeline
from cg2ls.engine.request import EngineError, Request, RequestError, RunError, Step


def fails(*_: object) -> None:
    raise KeyError("the user's own code")


def failing(engine, error: Exception):
    def complete(*_: object):
        yield Step(0, b"", 0.0)
        raise error

    engine.complete = complete
    return engine


@pytest.mark.parametrize("error", [RunError("no"), EngineError("closed"), RuntimeError("x"), MemoryError()])
def test_an_exception_of_the_engine_is_its_failure_and_keeps_the_cause(scripted, error):
    with pytest.raises(EngineFailedError) as caught:
        DocumentSession(failing(scripted(), error), "python").complete("a = ", 4)
    assert caught.value.cause is error
    assert str(caught.value) == (
        str(error) if isinstance(error, EngineError) else f"The engine failed ({type(error).__name__})."
    )


def test_a_request_that_the_engine_cannot_serve_is_not_an_engine_failure(scripted):
    with pytest.raises(RequestError, match="too long"):
        DocumentSession(failing(scripted(), RequestError("too long")), "python").complete("a = ", 4)


def test_an_exception_of_a_rule_is_not_an_engine_failure(scripted, monkeypatch):
    monkeypatch.setattr(pipeline.Postprocessor, "is_complete", fails)
    with pytest.raises(KeyError):
        DocumentSession(scripted("b\n"), "python").complete("a = ", 4)


def test_a_prior_and_a_context_that_raise_are_left_out_and_named(scripted):
    engine = scripted("b\n")
    options = CompletionOptions(context_tokens=64)
    found = DocumentSession(engine, "python", options).complete("a = ", 4, retrieval=Retrieval(fails, fails))
    assert found.text == "b"
    assert sorted(fault.hook for fault in found.faults) == ["context", "prior"]
    assert all(isinstance(fault.error, KeyError) for fault in found.faults)
    assert engine.requests[-1].prior is None


def test_a_grammar_that_cannot_be_loaded_is_left_out(scripted, monkeypatch):
    monkeypatch.setattr(sessions, "load_grammar", fails)
    found = DocumentSession(scripted("b\n"), "python").complete("a = ", 4)
    assert (found.text, [fault.hook for fault in found.faults]) == ("b", ["grammar"])


def test_an_answer_without_faults_lists_none(scripted):
    assert DocumentSession(scripted("b\n"), "python").complete("a = ", 4).faults == ()


def test_an_exception_of_is_complete_is_not_an_engine_failure(scripted):
    engine = scripted()
    asked = []

    def candidates(request, count, stop, is_complete):
        asked.extend((is_complete([]), stop()) for _ in range(3))
        return []

    engine.candidates = candidates
    with pytest.raises(KeyError):
        sample_engine(engine, Request(prompt=[1]), 2, lambda: False, fails)
    assert asked == [(True, True)] * 3, "the answers end"
