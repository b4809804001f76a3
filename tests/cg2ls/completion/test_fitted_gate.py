"""The gate that was fitted for a model decides what is shown while typing, from features of the answer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import cg2ls
from cg2ls.completion import CompletionOptions, DocumentSession, Retrieval, fitted_gate
from cg2ls.completion.confidence_gate import CONFIDENCE
from cg2ls.completion.fitted_gate import (
    HypothesisFeatures,
    compare_hypothesis,
    describe_hypothesis,
    encode_features,
    encode_fields,
    share_known_names,
)
from cg2ls.completion.options import OptionsError
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.engine import Engine
from cg2ls.engine.request import GuardedPrior, Request, Step, Support, log_softmax
from cg2ls.models.folder.description import ModelDescription, ModelFolderError
from cg2ls.models.folder.gate import GateWeights

DEFAULT = Path(cg2ls.__file__).parent / "default"
TEXT = "import os\n\n\ndef read_lines(path):\n    with open(path) as file:\n        return file."
FEATURES = HypothesisFeatures(
    first_logprob=-0.5,
    least_logprob=-1.0,
    mean_logprob=-0.6,
    sum_logprob=-2.0,
    tokens=4,
    characters=12,
    lines=1,
    has_prior=True,
    memory_first=3,
    memory_mean=2.0,
    memory_agreement=0.5,
    memory_votes=4.0,
    place="line_start",
    extent="line",
    is_mid_line=False,
    has_below=True,
    known_names=1.0,
    trigger="automatic",
)


def make_gate(bias: float, digest: str = "0", **weights: float) -> GateWeights:
    thresholds = {"quiet": 0.9, "balanced": 0.5, "eager": 0.1}
    return GateWeights(weights_sha256=digest, bias=bias, weights=weights, thresholds=thresholds)


@pytest.fixture(scope="module")
def engine() -> Engine:
    with Engine.open(DEFAULT, threads=1) as opened:
        yield opened


def ask(engine: Engine, monkeypatch: pytest.MonkeyPatch, gate: GateWeights | None, **options: object):
    monkeypatch.setattr(engine, "model", replace(engine.model, gate=gate))
    session = DocumentSession(engine, "python", CompletionOptions(**options))
    return session.complete(TEXT, len(TEXT))


def test_an_estimate_is_a_logistic_function_of_the_inputs() -> None:
    gate = make_gate(1.0, sum_logprob=0.5, **{"place=line_start": 2.0})
    expected = 1 / (1 + math.exp(-(1.0 - 1.0 + 2.0)))
    assert gate.estimate(encode_features(FEATURES)) == pytest.approx(expected)
    assert make_gate(1e9).estimate({}) == 1.0
    assert make_gate(-1e9).estimate({}) == pytest.approx(0.0)
    assert make_gate(0.0, x=1.0).estimate({"x": math.nan}) == 0.0, "an unknown estimate shows nothing"


def test_inputs_are_bounded() -> None:
    wild = replace(FEATURES, sum_logprob=-1e6, lead=1e9, memory_votes=1e9, least_logprob=-math.inf)
    assert all(math.isfinite(value) and abs(value) <= 100 for value in encode_features(wild).values())
    assert "trigger" not in encode_fields(vars(FEATURES))


def test_the_fitted_gate_shows_or_withholds(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ask(engine, monkeypatch, make_gate(3.0))
    assert shown.text
    assert shown.confidence == pytest.approx(1 / (1 + math.exp(-3.0)))
    withheld = ask(engine, monkeypatch, make_gate(-3.0))
    assert (withheld.text, withheld.reason) == ("", "unsure")
    assert withheld.replace_end_offset == len(TEXT)
    assert withheld.rules[-1] == CONFIDENCE


def test_one_option_goes_from_quiet_to_eager(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = make_gate(0.4)
    texts = {
        name: ask(engine, monkeypatch, gate, eagerness=name).text for name in ("quiet", "balanced", "eager")
    }
    assert not texts["quiet"]
    assert texts["balanced"] == texts["eager"] != ""
    with pytest.raises(OptionsError, match="eagerness is 'loud'"):
        CompletionOptions(eagerness="loud")


def test_the_users_setting_takes_precedence(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    without = ask(engine, monkeypatch, None, min_confidence=0.0)
    assert ask(engine, monkeypatch, make_gate(-9.0), min_confidence=0.0).text == without.text != ""
    assert (
        ask(engine, monkeypatch, make_gate(-9.0), disabled_rules=frozenset({CONFIDENCE})).text == without.text
    )


def test_requests_of_the_user_are_never_withheld(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "model", replace(engine.model, gate=make_gate(-9.0)))
    assert DocumentSession(engine, "python").complete(TEXT, len(TEXT), "invoked").text


def test_a_gate_is_kept_in_the_model_folder(tmp_path: Path) -> None:
    model = ModelDescription.read(DEFAULT)
    gate = make_gate(0.25, model.weights_sha256, sum_logprob=1.5)
    replace(model, gate=gate).write(tmp_path)
    assert ModelDescription.read(tmp_path).gate == gate


def test_a_gate_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    model = ModelDescription.read(DEFAULT)
    replace(model, gate=make_gate(0.25, "f" * 64)).write(tmp_path)
    with pytest.raises(ModelFolderError, match=f"fitted for weights ffffffffffff, but {model.name} has"):
        ModelDescription.read(tmp_path)


@pytest.mark.parametrize("thresholds", [{}, {"quiet": 2.0, "balanced": 0.5, "eager": 0.1}])
def test_a_damaged_gate_is_refused(thresholds: dict[str, float], tmp_path: Path) -> None:
    model = ModelDescription.read(DEFAULT)
    gate = replace(make_gate(0.0, model.weights_sha256), thresholds=thresholds)
    replace(model, gate=gate).write(tmp_path)
    with pytest.raises(ModelFolderError, match=r"gate\.thresholds\.quiet must be from 0 to 1"):
        ModelDescription.read(tmp_path)


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


TYPED = "width = height = 1\narea = "
BELOW = "\n\nprint(area)\n"


def test_answers_have_features_where_someone_collects_them(scripted):
    session = DocumentSession(scripted("width * height\n"), "python", describes=True)
    found = session.complete(TYPED + BELOW, len(TYPED))
    assert found.features is not None
    assert found.features.characters == len(found.text)
    assert found.features.known_names == 1
    assert found.features.has_below


def count_features(scripted, monkeypatch, gate=None, **asked):
    """Return how often the features and what memory says of them are computed for an answer of six tokens."""
    counts = {"described": 0, "asked memory": 0}
    describe = fitted_gate.describe_hypothesis

    def count_described(*arguments, **named):
        counts["described"] += 1
        return describe(*arguments, **named)

    class Counted(Knowing):
        def support(self, generated, token):
            counts["asked memory"] += 1
            return super().support(generated, token)

    monkeypatch.setattr(fitted_gate, "describe_hypothesis", count_described)
    engine = scripted("width")
    engine.model = replace(engine.model, gate=gate)
    session = DocumentSession(engine, "python", describes=asked.pop("describes", False))
    found = session.complete(
        TYPED + BELOW, len(TYPED), retrieval=Retrieval(prior_of=lambda *_: Counted()), **asked
    )
    assert found.tokens == 6
    assert (found.features is not None) == (counts["described"] > 0)
    return tuple(counts.values())


def test_features_are_computed_only_where_they_are_read(scripted, monkeypatch):
    assert count_features(scripted, monkeypatch) == (0, 0)
    assert count_features(scripted, monkeypatch, describes=True) == (1, 6)
    assert count_features(scripted, monkeypatch, make_gate(3.0)) == (1, 6)
    assert count_features(scripted, monkeypatch, make_gate(3.0), trigger="invoked") == (0, 0)
