"""When lines are compared, which one is chosen, and which part of it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.completion.choose import (
    AUTOMATIC_MS,
    INVOKED_MS,
    WIDTH,
    find_weights,
    limit_choice,
)
from cg2ls.completion.hypotheses import LineHypothesis, cut_below, rank_lines, read_evidence
from cg2ls.completion.postprocess.pipeline import Processed
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.engine.beam_search import Hypothesis
from cg2ls.engine.request import Step, Timing
from cg2ls.models.folder.line_choice import ConfidenceWeights, LineChoice, PlaceWeights

ABOVE = "def area(width, height):\n"
BELOW = "\n    return result\n"
CHOICE = LineChoice(
    evidence_tokens=30,
    places={"line_start": PlaceWeights(evidence=0.5, greedy=1.0)},
    confidence=ConfidenceWeights(bias=0.0, logprob=0.0, lead=1.0),
)


@dataclass
class Searching:
    """An engine that finds given lines, and whose text below fits one of them."""

    base: object
    lines: dict[str, float]
    fits: str = ""
    timing: Timing = field(default_factory=Timing)
    searches: list = field(default_factory=list)
    scores: list = field(default_factory=list)
    choice: LineChoice | None = CHOICE
    fails: Exception | None = None

    @property
    def model(self):
        return replace(self.base.model, line_choice=self.choice)

    @property
    def tokenizer(self):
        return self.base.tokenizer

    @property
    def context_length(self):
        return self.base.context_length

    @property
    def last(self):
        return self.timing

    def complete(self, request, stop):
        return self.base.complete(request, stop)

    def steps(self, text, logprob):
        data = [bytes([byte]) for byte in text.encode()]
        return tuple(
            Step(token, byte, logprob / len(data))
            for token, byte in zip(self.tokenizer.encode(text), data, strict=True)
        )

    def search(self, request, options, stop):
        self.searches.append((request, options))
        if self.fails:
            raise self.fails
        found = []
        for text, logprob in self.lines.items():
            steps = self.steps(request.forced.decode() + text + "\n", logprob)
            assert options.is_complete(steps)
            found.append(Hypothesis(steps, logprob, True))
        return found

    def score(self, prefix, continuations, stop, *, beside):
        self.scores.append((prefix, continuations))
        fit = self.fits.encode()
        given = [bytes(each.given) for each in continuations]
        decoded = [self.tokenizer.decode(each.given) for each in continuations]
        assert len(given) == len(decoded)
        return [
            [-0.5 if self.fits and fit.decode() in text else -2.0] * len(each.scored)
            for text, each in zip(decoded, continuations, strict=True)
        ]


@pytest.fixture
def searching(scripted):
    def make(lines, *, greedy="", logprob=-0.5, **more):
        return Searching(scripted(greedy, logprob=logprob), lines, **more)

    return make


def complete(engine, text=ABOVE + "    |" + BELOW, trigger="invoked", options=None, count=1):
    options = options or CompletionOptions(choose="hypotheses")
    session = DocumentSession(engine, "python", options, describes=True)
    return session.complete(text.replace("|", ""), text.index("|"), trigger, count=count)


LINES = {"result = width": -2.0, "result = width * height": -3.0, "pass": -4.0}


def test_the_line_that_the_text_below_fits_is_chosen(searching):
    found = complete(searching(LINES, greedy="result = width\n", fits="width * height"))
    assert found.text == "result = width * height"
    assert found.rules[-1] == "hypotheses"
    assert not found.features.is_greedy
    assert (found.features.hypotheses, found.features.has_evidence) == (3, True)
    assert found.features.lead == pytest.approx(-1)
    assert found.features.evidence == pytest.approx(-0.5)
    assert found.features.evidence_lead > 0


def test_greedy_choice_is_kept_if_the_text_below_agrees(searching):
    engine = searching({"result = width": -2.0, "pass": -2.5}, greedy="result = width\n    x = 1\n")
    found = complete(engine)
    assert found.text == "result = width\n    x = 1"
    assert found.features.is_greedy
    assert "hypotheses" not in found.rules


def test_a_confident_greedy_line_is_shown_at_once(searching):
    engine = searching(LINES, greedy="pass\n", logprob=-0.001, fits="width * height")
    assert complete(engine).text == "pass"
    assert not engine.searches


@pytest.mark.parametrize(
    "text",
    [
        ABOVE + "    |",  # no text below
        ABOVE + "    |\n\n   \n",
        ABOVE + "    result = |" + BELOW,  # another kind of position
        ABOVE + "    |print(1)" + BELOW,  # code follows
    ],
)
def test_elsewhere_greedy_decoding_decides(searching, text):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    complete(engine, text)
    assert not engine.searches


@pytest.mark.parametrize(
    "options",
    [CompletionOptions(choose="greedy"), CompletionOptions(disabled_rules=frozenset({"hypotheses"}))],
)
def test_it_can_be_switched_off(searching, options):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    assert complete(engine, options=options).text == "result = width"
    assert not engine.searches


@pytest.mark.parametrize(("trigger", "searches"), [("automatic", 0), ("invoked", 1)])
def test_by_default_lines_are_compared_only_when_invoked(searching, trigger, searches):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    complete(engine, trigger=trigger, options=CompletionOptions())
    assert len(engine.searches) == searches


def test_an_engine_without_search_decides_greedily(scripted):
    assert complete(scripted("result = width\n", logprob=-0.5)).text == "result = width"


def test_while_typing_a_line_needs_confidence(searching):
    unsure = replace(CHOICE, confidence=ConfidenceWeights(bias=-5.0, logprob=0.0, lead=1.0))
    lines = {"result = width * height": -9.0, "pass": -9.5}
    engine = searching(lines, greedy="x\n", logprob=-9, choice=unsure)
    assert not complete(engine, trigger="automatic").text
    sure = replace(CHOICE, confidence=ConfidenceWeights(bias=3.0, logprob=0.0, lead=1.0))
    engine = searching(lines, greedy="x\n", logprob=-9, choice=sure)
    found = complete(engine, trigger="automatic")
    assert found.text == "result = width * height"
    assert found.confidence > 0.9


@pytest.mark.parametrize("ended", ["time", "context full"])
def test_a_search_that_ran_out_of_time_decides_nothing(searching, ended):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    engine.timing = Timing(ended=ended)
    assert "hypotheses" not in complete(engine).rules
    assert not engine.scores


def test_without_evidence_greedy_decoding_decides(searching):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    engine.score = lambda *_, **__: None
    assert complete(engine).text == "result = width"


def test_a_failing_rule_is_a_fault_and_the_greedy_answer_stays(searching):
    engine = searching(LINES, greedy="result = width\n")
    engine.score = lambda *_, **__: 1 / 0
    with pytest.raises(Exception, match="engine failed"):
        complete(engine)
    engine = searching(LINES, greedy="result = width\n")
    engine.tokenizer.encode("x")
    engine.score = lambda *_, **__: [[-1.0]]  # too few
    found = complete(engine)
    assert found.text == "result = width"
    assert [fault.hook for fault in found.faults] == ["hypotheses"]


def test_the_other_lines_are_offered_too(searching):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    found = complete(engine, count=3)
    assert [found.text, *(each.text for each in found.alternatives)] == [
        "result = width * height",
        "result = width",
        "pass",
    ]


def test_the_evidence_is_the_text_after_the_line(searching):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    complete(engine, ABOVE + "    |" + "\n\n    return result\n")
    ((prefix, continuations),) = engine.scores
    decode = engine.tokenizer.decode
    texts = [decode(each.given) + decode(each.scored) for each in continuations]
    assert all((decode(prefix) + text).startswith(ABOVE) for text in texts)
    assert texts[0].endswith("result = width\n\n    return result\n")
    assert all(len(each.scored) <= CHOICE.evidence_tokens for each in continuations)


def test_one_endless_line_below_costs_no_more(searching):
    engine = searching(LINES, greedy="result = width\n", fits="width * height")
    complete(engine, ABOVE + "    |\n" + "x" * 1_000_000)
    ((_, continuations),) = engine.scores
    assert {len(each.scored) for each in continuations} == {CHOICE.evidence_tokens}
    cursor = Cursor(ABOVE + "\n" + "x" * 1_000_000, len(ABOVE))
    assert len(cut_below(cursor, 10)) <= 80


def test_beams_search_with_the_rest_of_the_time(searching):
    engine = searching(LINES, greedy="result = width\n")
    complete(engine, trigger="automatic")
    (request, options) = engine.searches[0]
    assert options.width == WIDTH
    assert 0 < request.time_limit_ms <= AUTOMATIC_MS


def test_limits():
    assert limit_choice(None, None, "automatic") == AUTOMATIC_MS
    assert limit_choice(None, None, "invoked") == INVOKED_MS
    assert limit_choice(None, 50, "invoked") == 50
    assert limit_choice(80, 10_000, "automatic") == 80


def line(text: str, logprob: float) -> LineHypothesis:
    return LineHypothesis(Processed(text), (Step(ord(text[0]), text.encode(), logprob),), logprob, 0.0)


def test_ties_go_to_the_likelier_then_to_the_first():
    weights = PlaceWeights(evidence=1.0, greedy=0.0)
    lines = [line("a", -1.0), line("b", -1.0), line("c", -2.0)]
    ranked = rank_lines(lines, [[-2.0], [-2.0], [-1.0]], (), weights, CHOICE.confidence).ranked
    assert [each.line.processed.text for each in ranked] == ["a", "b", "c"]


def test_scores_without_numbers_do_not_crash():
    weights = PlaceWeights(evidence=1.0, greedy=0.0)
    lines = [line("a", -1.0), line("b", -1.0)]
    found = rank_lines(lines, [[-math.inf], [-2.0]], (), weights, CHOICE.confidence)
    assert found.best.line.processed.text == "b"
    assert 0 <= found.confidence <= 1


@pytest.mark.parametrize("score", [math.nan, -math.inf])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_line_whose_score_is_not_a_number_comes_last(score, at):
    weights = PlaceWeights(evidence=1.0, greedy=0.0)
    lines = [line(text, -1.0) for text in "abc"]
    evidence = [[-1.0], [-2.0], [-3.0]]
    evidence[at] = [score]
    found = rank_lines(lines, evidence, (), weights, CHOICE.confidence)
    others = [text for number, text in enumerate("abc") if number != at]
    assert [each.line.processed.text for each in found.ranked] == [*others, "abc"[at]]
    assert (
        found.confidence
        == rank_lines(
            [lines["abc".index(text)] for text in others],
            [evidence["abc".index(text)] for text in others],
            (),
            weights,
            CHOICE.confidence,
        ).confidence
    )


def test_without_any_number_nothing_is_sure():
    weights = PlaceWeights(evidence=1.0, greedy=0.0)
    found = rank_lines([line("a", -1.0), line("b", -1.0)], [[math.nan]] * 2, (), weights, CHOICE.confidence)
    assert found.best.line.processed.text == "a"
    assert found.confidence == 0


def test_lines_of_different_lengths_at_the_end_of_the_context_are_not_compared(searching):
    """The text below must fit after the longest line; if it does not, greedy decoding decides."""
    lines = {"pass": -2.0, "result = width * height": -2.5}
    engine = searching(lines, greedy="pass\n", fits="height")
    assert complete(engine).text == next(reversed(lines))
    (prefix, continuations) = engine.scores[-1]
    needed = len(prefix) + max(len(each.given) + len(each.scored) for each in continuations)
    read = partial(
        read_evidence,
        prefix=prefix,
        request=engine.base.requests[-1],
        cursor=Cursor(ABOVE + "    " + BELOW, len(ABOVE) + 4),
        lines=[Processed(text) for text in lines],
        max_tokens=CHOICE.evidence_tokens,
        stop=lambda: False,
    )
    for length, is_read in ((needed, True), (needed - 1, False)):
        assert (read(NarrowEngine(engine, length)) is not None) == is_read


class NarrowEngine:
    """An engine with another context length."""

    def __init__(self, engine, context_length):
        self.tokenizer, self.score = engine.tokenizer, engine.score
        self.context_length = context_length


def test_a_single_line_has_no_lead_and_high_confidence():
    weights = PlaceWeights(evidence=1.0, greedy=0.0)
    found = rank_lines([line("a", -1.0)], [[-1.0]], (), weights, CHOICE.confidence)
    assert found.confidence > 0.9
    assert found.lead == 0
    assert found.evidence == (-1.0, 0.0)


def test_weights_are_found_by_kind_of_place():
    text = ABOVE + "    x" + BELOW
    assert find_weights(CHOICE, Cursor(text, len(ABOVE) + 5), "invoked") is None
    text = ABOVE + "    " + BELOW
    assert find_weights(CHOICE, Cursor(text, len(ABOVE) + 4), "automatic") == CHOICE.places["line_start"]


def test_inside_words_lines_are_compared_only_when_invoked():
    choice = replace(CHOICE, places={"in_word": PlaceWeights(evidence=0.5)})
    cursor = Cursor(ABOVE + "    re" + BELOW, len(ABOVE) + 6)
    assert find_weights(choice, cursor, "invoked") == choice.places["in_word"]
    assert find_weights(choice, cursor, "automatic") is None


def test_while_typing_a_greedy_line_that_another_one_beats_is_not_shown(searching):
    unsure = replace(CHOICE, confidence=ConfidenceWeights(bias=-5.0, logprob=0.0, lead=0.0))
    lines = {"result = wide": -2.0, "result = width * height": -2.5}
    engine = searching(lines, greedy="result = wide\n", logprob=-0.12, fits="width * height", choice=unsure)
    found = complete(engine, trigger="automatic")
    assert engine.searches
    assert found.text == ""
    assert found.reason == "unsure"
    assert found.rules[-2:] == ("hypotheses", "confidence")
    assert complete(replace(engine, fits=""), trigger="automatic").text == "result = wide"
