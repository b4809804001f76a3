"""A gate is fitted on verdicts and checked on repositories that it has not seen."""

from __future__ import annotations

import math
import random
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cg2ls.completion.fitted_gate import HypothesisFeatures, encode_fields
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.quality.fit_gate import (
    choose_thresholds,
    compute_calibration_error,
    draw_reliability,
    fit_gate,
    make_reliability,
)
from cg2ls.evaluation.quality.gate_verdicts import AnswerVerdict, read_verdicts, write_verdicts


def make_verdict(draw: random.Random, number: int, *, informative: bool = True) -> AnswerVerdict:
    """An answer that is right by a logistic function of agreement and log-probability; its old estimate is coarse."""
    total, agreement = -draw.expovariate(0.6), draw.random()
    chance = 1 / (1 + math.exp(-(0.5 + total + (4 * agreement - 1 if informative else 0))))
    features = HypothesisFeatures(
        first_logprob=total / 2,
        least_logprob=total / 2,
        mean_logprob=total / 3,
        sum_logprob=total,
        tokens=3,
        characters=14,
        lines=1,
        has_prior=True,
        memory_first=2,
        memory_mean=2.0,
        memory_agreement=agreement,
        memory_votes=3.0,
        place="line_start",
        extent="line",
        is_mid_line=False,
        has_below=True,
        known_names=1.0,
        trigger="automatic",
    )
    return AnswerVerdict(
        repository=f"r{number % 5}",
        file=number // 7,
        kind="line_start",
        right=draw.random() < chance,
        characters=14,
        confidence=1 / (1 + math.exp(-(1.25 + 1.4 * total))),
        features=asdict(features),
    )


@pytest.fixture(scope="module")
def verdicts() -> list[AnswerVerdict]:
    draw = random.Random(3)
    return [make_verdict(draw, number) for number in range(1500)]


def test_a_useful_feature_is_found_and_helps_in_other_repositories(verdicts: list[AnswerVerdict]) -> None:
    gate, check = fit_gate(verdicts, "digest")
    assert check.is_better
    assert check.log_loss < check.other_log_loss
    assert check.calibration_error <= 0.05
    assert gate.weights_sha256 == "digest"
    agreeing, disagreeing = (
        gate.estimate(encode_fields({**verdicts[0].features, "memory_agreement": share}))
        for share in (1.0, 0.0)
    )
    assert agreeing > disagreeing + 0.3
    assert gate.thresholds["quiet"] >= gate.thresholds["balanced"] >= gate.thresholds["eager"]


def test_the_exported_numbers_give_what_was_fitted(verdicts: list[AnswerVerdict]) -> None:
    gate, _ = fit_gate(verdicts, "digest")
    estimates = np.array([gate.estimate(encode_fields(each.features)) for each in verdicts])
    right = np.array([each.right for each in verdicts])
    assert compute_calibration_error(estimates, right) < 0.05


def test_noise_is_no_gain() -> None:
    draw = random.Random(4)
    noise = [make_verdict(draw, number, informative=False) for number in range(600)]
    for each in noise:  # the gate in use already has all the information
        total = each.features["sum_logprob"]
        object.__setattr__(each, "confidence", 1 / (1 + math.exp(-(0.5 + total))))
    _, check = fit_gate(noise, "digest")
    assert check.log_loss > check.other_log_loss - 0.02


def test_what_a_threshold_alone_would_bring_is_no_gain() -> None:
    draw = random.Random(5)
    found = [make_verdict(draw, number, informative=False) for number in range(1500)]
    for each in found:  # as if far too much were shown: the estimates are ordered well, but too high
        object.__setattr__(each, "confidence", 0.36 + 0.64 * each.confidence)
    _, check = fit_gate(found, "digest")
    assert check.utility["balanced"].low > 0
    assert check.utility_at_best["balanced"].low <= 0
    assert not check.is_better


def test_few_verdicts_few_repositories_or_one_outcome_are_refused(verdicts: list[AnswerVerdict]) -> None:
    with pytest.raises(EvaluationError, match="There are 299 verdicts"):
        fit_gate(verdicts[:299], "")
    with pytest.raises(EvaluationError, match="at least three"):
        fit_gate([each for each in verdicts if each.repository in ("r0", "r1")], "")
    with pytest.raises(EvaluationError, match="alike"):
        fit_gate([each for each in verdicts if each.right], "")


def test_a_calibration_error_is_the_mean_distance_of_bins() -> None:
    estimates, right = np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, True, True, True])
    assert compute_calibration_error(estimates, right) == pytest.approx((0.45 * 2 + 0.05 * 2) / 4)
    assert [each.count for each in make_reliability(estimates, right)] == [2, 2]
    assert make_reliability(np.array([1.0]), np.array([True]))[0].right == 1.0


def test_thresholds_weigh_saved_keys_against_wrong_answers(verdicts: list[AnswerVerdict]) -> None:
    few = verdicts[:4]
    for each, is_right in zip(few, (True, True, False, True), strict=True):
        object.__setattr__(each, "right", is_right)
    found = choose_thresholds(np.array([0.9, 0.8, 0.7, 0.6]), few)
    assert found == {"quiet": 0.8, "balanced": 0.8, "eager": 0.6}
    for each in few:
        object.__setattr__(each, "right", False)
    assert choose_thresholds(np.array([0.9, 0.8, 0.7, 0.6]), few)["eager"] == 1.0, "nothing is worth showing"


def test_verdicts_are_numbers_in_a_file(verdicts: list[AnswerVerdict], tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    write_verdicts(path, verdicts[:9])
    assert [each.group for each in read_verdicts(path)] == [each.group for each in verdicts[:9]]
    path.write_text('{"repository": "r"}\n')
    with pytest.raises(EvaluationError, match="has no verdicts"):
        read_verdicts(path)


def test_the_diagram_is_a_picture(verdicts: list[AnswerVerdict]) -> None:
    _, check = fit_gate(verdicts, "digest")
    picture = ElementTree.fromstring(draw_reliability("a <model>", check))
    circles = picture.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(check.reliability) + len(check.other_reliability)
