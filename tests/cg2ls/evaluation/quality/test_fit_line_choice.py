"""The fit finds the weights that made the data, and leaves out kinds of place that do not gain."""

from __future__ import annotations

import random

import pytest

from cg2ls.evaluation.quality.fit_line_choice import FitChoiceError, fit_line_choice
from cg2ls.evaluation.quality.line_choices import ObservedChoice, ObservedLine


def observe(place: str, *, weight: float, count: int, seed: int) -> list[ObservedChoice]:
    """Places at which the line with the highest weighted score is the right one."""
    drawn = random.Random(seed)
    found = []
    for number in range(count):
        logprobs = sorted((-drawn.uniform(0.7, 8) for _ in range(4)), reverse=True)
        sums = [-drawn.uniform(0, 16) for _ in range(4)]
        scores = [
            one + weight * other + drawn.gauss(0, 0.3) for one, other in zip(logprobs, sums, strict=True)
        ]
        right = scores.index(max(scores))
        lines = [
            ObservedLine(
                text=f"line {index}",
                logprob=logprobs[index],
                tokens=5,
                ended_by_model=0.5,
                is_greedy=index == 0,
                is_beam=True,
                is_right=index == right,
                evidence=[sums[index] / 8] * 8 + [-0.1] * 32,
            )
            for index in range(4)
        ]
        found.append(ObservedChoice(f"file {number % 9}", place, "line", lines))
    return found


def test_the_weight_that_made_the_data_is_found():
    observed = observe("line_start", weight=0.5, count=200, seed=1)
    found = fit_line_choice(observed)
    assert found.helps
    assert found.choice.evidence_tokens == 8
    assert found.choice.places["line_start"].evidence == pytest.approx(0.5, abs=0.3)
    kind = found.kinds["line_start"]
    assert kind.places == kind.found == 200
    assert kind.greedy < kind.chosen
    assert found.choice.confidence.lead > 0


def test_a_kind_of_place_without_gain_is_left_out():
    useless = observe("word_start", weight=0.0, count=150, seed=2)
    found = fit_line_choice(observe("line_start", weight=0.5, count=150, seed=3) + useless)
    assert set(found.choice.places) == {"line_start"}
    assert found.to_json()["kinds"]["word_start"]["used"] is False


def test_places_without_evidence_do_not_count():
    observed = observe("line_start", weight=0.5, count=120, seed=1)
    bare = [ObservedChoice("file", "line_start", "line", []) for _ in range(50)]
    assert fit_line_choice(observed + bare).kinds["line_start"].places == 120


@pytest.mark.parametrize("count", [0, 20])
def test_too_few_places_are_refused(count):
    with pytest.raises(FitChoiceError):
        fit_line_choice(observe("line_start", weight=0.5, count=count, seed=1))


def test_places_of_one_file_are_refused():
    observed = observe("line_start", weight=0.5, count=120, seed=1)
    same = [ObservedChoice("one", each.place, each.below, each.lines) for each in observed]
    with pytest.raises(FitChoiceError, match="1 files"):
        fit_line_choice(same)
