"""Features are computed from the steps, the prior and the place."""

from __future__ import annotations

from cg2ls.completion import DocumentSession, Retrieval
from cg2ls.completion.hypothesis_features import (
    compare_hypothesis,
    describe_hypothesis,
    share_known_names,
)
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.engine.request import GuardedPrior, Request, Step, Support, log_softmax


def cursor(text: str) -> Cursor:
    return Cursor(text.replace("|", ""), text.index("|"))


def describe(text: str, steps, *, forced=b"", shown="x", prior=None):
    return describe_hypothesis(
        cursor(text),
        extent="line",
        trigger="automatic",
        request=Request(prompt=[1], forced=forced, prior=prior),
        steps=steps,
        text=shown,
    )


class Knowing:
    """Knows token 7, and nothing about others."""

    def mix(self, generated, logits):
        return log_softmax(logits)

    def draft(self, generated, max_tokens):
        return ()

    def support(self, generated, token):
        length = 5 - len(generated)
        return Support(length, length if token == 7 else 0, 2 if token == 7 else 0)


class Failing(Knowing):
    def support(self, generated, token):
        raise OSError("gone")


def test_logprobs_leave_out_typed_characters():
    steps = [Step(1, b"wid", -9.0), Step(2, b"th", -1.0), Step(3, b" =", -0.5)]
    found = describe("x = wid|", steps, forced=b"wid", shown="th =")
    assert (found.first_logprob, found.least_logprob, found.sum_logprob, found.tokens) == (-1, -1, -1.5, 2)
    assert found.mean_logprob == -0.75
    assert (found.characters, found.lines, found.place) == (4, 1, "in_word")


def test_an_empty_answer_has_finite_numbers():
    found = describe("x = |", [], shown="")
    assert (found.sum_logprob, found.least_logprob, found.lines, found.known_names) == (0, 0, 0, 1)


def test_memory_is_described_by_matches():
    steps = [Step(7, b"a", -1.0), Step(8, b"b", -1.0)]
    found = describe("|", steps, prior=GuardedPrior(Knowing(), 100))
    assert found.has_prior
    assert (found.memory_first, found.memory_mean, found.memory_agreement, found.memory_votes) == (
        *(5, 4.5),
        *(0.5, 1),
    )


def test_failing_prior_is_left_out_and_noted():
    prior = GuardedPrior(Failing(), 100)
    found = describe("|", [Step(7, b"a", -1.0)], prior=prior)
    assert found.memory_first == 0
    assert isinstance(prior.failure, OSError)


def test_names_near_the_cursor_are_known():
    assert share_known_names(cursor("width = 1\nx = |\nheight = 2"), "width * height") == 1
    assert share_known_names(cursor("width = 1\nx = |\n"), "width * depth") == 0.5
    assert share_known_names(cursor("width = 1\nx = wi|\n"), "dth") == 1
    assert share_known_names(cursor("width = 1\nx = de|\n"), "pth") == 0
    assert share_known_names(cursor("|"), "(1, 2)") == 1


def test_features_tell_whether_text_follows():
    found = describe("x = |\n\n    y = 2\n", [])
    assert found.has_below
    assert not found.is_mid_line
    found = describe("f(|, 3)\n", [])
    assert (found.has_below, found.is_mid_line, found.place) == (False, True, "after_open")


def test_comparison_adds_to_the_features():
    alone = describe("|", [Step(7, b"a", -1.0)])
    found = compare_hypothesis(alone, hypotheses=3, is_greedy=False, lead=-0.5, evidence=(-1.5, 4.0))
    assert (found.hypotheses, found.is_greedy, found.lead) == (3, False, -0.5)
    assert (found.has_evidence, found.evidence, found.evidence_lead) == (True, -1.5, 4)
    assert found.sum_logprob == alone.sum_logprob
    assert not compare_hypothesis(alone, hypotheses=2, is_greedy=True, lead=0.1, evidence=None).has_evidence


def test_each_answer_of_the_model_has_features(scripted):
    engine = scripted("width * height\n")
    session = DocumentSession(engine, "python")
    text = "width = height = 1\narea = \n\nprint(area)\n"
    found = session.complete(text, text.index("\n\n"), retrieval=Retrieval())
    assert found.features is not None
    assert found.features.characters == len(found.text)
    assert found.features.known_names == 1
    assert found.features.has_below
