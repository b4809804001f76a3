"""Several completions at one cursor."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.engine.request import Step


@dataclass
class Choosing:
    """An engine that writes one answer, and others if several are requested."""

    scripted: object
    answers: list[str]
    asked: int = 0

    def __getattr__(self, name):
        return getattr(self.scripted, name)

    def candidates(self, request, count, stop, is_complete):
        self.asked += 1
        self.request, self.count = request, count
        return [
            [Step(0, request.forced + answer.encode(), -float(place))]
            for place, answer in enumerate(self.answers)
        ]


@pytest.fixture
def choose(scripted):
    def make(answer, *answers, **options):
        engine = Choosing(scripted(answer), list(answers))
        return engine, DocumentSession(engine, "python", CompletionOptions(**options))

    return make


def shown(found):
    return [found.text, *(each.text for each in found.alternatives)]


TEXT = "total = \n"


def ask(session, count=3, text=TEXT, trigger="invoked"):
    return shown(session.complete(text, text.index("\n"), trigger, count=count))


def test_alternatives_are_ordered_by_likelihood(choose):
    _, session = choose("price", "cost", "sum(prices)")
    assert ask(session) == ["price", "cost", "sum(prices)"]


def test_alternatives_are_distinct_and_not_empty(choose):
    _, session = choose("a + b", "a + b", "a  +  b", "", "c", "c")
    assert ask(session) == ["a + b", "c"]


def test_the_beginning_of_another_alternative_is_left_out(choose):
    _, session = choose("sum(a)", "su", "cost + 1", "cost")
    assert ask(session, 5) == ["sum(a)", "cost + 1"]


def test_alternatives_pass_the_same_rules(choose):
    _, session = choose("f(a)", "f(b)\nmore", "g(c))\n", "= = d\n")
    assert ask(session, 5) == ["f(a)", "f(b)", "g(c)"]


def test_an_empty_first_answer_is_replaced_by_an_alternative(choose):
    _, session = choose("", "cost")
    assert ask(session) == ["cost"]


def test_alternatives_are_sampled_from_the_same_prompt(choose):
    engine, session = choose("price", "cost")
    ask(session)
    assert engine.request.temperature > 0
    assert engine.request.prompt == engine.requests[-1].prompt
    assert engine.count > 2


def test_typing_samples_no_alternatives(choose):
    engine, session = choose("price", "cost")
    assert ask(session, count=1, trigger="automatic") == ["price"]
    assert engine.asked == 0


def test_each_alternative_can_be_typed_on_without_the_model(choose):
    engine, session = choose("price", "cost + 1")
    ask(session)
    text = "total = cost\n"
    assert shown(session.complete(text, text.index("\n"))) == [" + 1"]
    assert len(engine.requests) == 1


def test_a_repeated_request_needs_no_model(choose):
    engine, session = choose("price", "cost")
    assert ask(session) == ask(session) == ["price", "cost"]
    assert (len(engine.requests), engine.asked) == (1, 1)


def test_an_engine_without_sampling_gives_no_alternatives(scripted):
    assert ask(DocumentSession(scripted("price"), "python")) == ["price"]


def test_a_cancelled_request_keeps_nothing(choose):
    engine, session = choose("price", "cost")
    stopped = []
    engine.candidates = lambda *_: stopped.append(True) or []
    found = session.complete(TEXT, TEXT.index("\n"), "invoked", lambda: bool(stopped), count=3)
    assert found.reason == "stopped"
    assert session.find_known(TEXT, TEXT.index("\n")) is None
