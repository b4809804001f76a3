"""The gate that was fitted for a model decides what is shown while typing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import cg2ls
from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.completion.confidence_gate import CONFIDENCE
from cg2ls.completion.fitted_gate import encode_features, encode_fields
from cg2ls.completion.hypothesis_features import HypothesisFeatures
from cg2ls.completion.options import OptionsError
from cg2ls.engine import Engine
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
