"""Fit of a gate: logistic regression on verdicts, checked on repositories that it has not seen, and drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from cg2ls.completion.fitted_gate import encode_fields
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.estimators import Estimate, estimate
from cg2ls.models.folder.gate import EAGERNESS, GateWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2ls.evaluation.quality.gate_verdicts import AnswerVerdict


MIN_VERDICTS = 300
"""Minimum number of verdicts; fewer do not show which of two gates is better."""

COSTS = {"quiet": 40.0, "balanced": 20.0, "eager": 8.0}
"""Cost of one wrong suggestion in characters: reading it, and the interruption."""

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths of the regularization to choose from, in units of standardized inputs."""

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Share of right answers among those with about the same estimate.

    Attributes:
        estimated: mean estimate of the bin.
        right: share that is right.
        count: answers in the bin.
    """

    estimated: float
    right: float
    count: int


@dataclass(frozen=True)
class GateCheck:
    """A gate against another one, on verdicts of repositories that it was not fitted on.

    Attributes:
        calibration_error: expected calibration error.
        other_calibration_error: calibration error of the other gate.
        log_loss: mean negative log-likelihood in nats.
        other_log_loss: log loss of the other gate.
        reliability: the diagram of the fitted gate.
        other_reliability: that of the other gate.
        right_shown: right answers shown per verdict, fitted gate minus the other one, by eagerness.
        wrong_shown: the same for wrong answers.
        utility: characters saved minus the cost of wrong ones, per verdict, fitted minus other, by eagerness.
        utility_at_best: the same, with thresholds of the other gate that were chosen in the same way. A gate that
            only shows less or more has no gain here: a threshold does that.
    """

    calibration_error: float
    other_calibration_error: float
    log_loss: float
    other_log_loss: float
    reliability: list[Reliability]
    other_reliability: list[Reliability]
    right_shown: dict[str, Estimate]
    wrong_shown: dict[str, Estimate]
    utility: dict[str, Estimate]
    utility_at_best: dict[str, Estimate]

    @property
    def is_better(self) -> bool:
        """Whether the intervals of the utility gained at the default eagerness are above 0."""
        return self.utility["balanced"].low > 0 and self.utility_at_best["balanced"].low > 0


def fit_gate(verdicts: Sequence[AnswerVerdict], weights_sha256: str) -> tuple[GateWeights, GateCheck]:
    """Fit a gate on all verdicts, and check gates that are fitted without one repository at a time on that one.

    Args:
        verdicts: verdicts on repositories that are used neither for training nor for measuring.
        weights_sha256: hash of the model's weights.

    Raises:
        EvaluationError: there are too few verdicts or repositories, or all have the same outcome.
        ModuleNotFoundError: scikit-learn is missing.
    """
    if len(verdicts) < MIN_VERDICTS:
        raise EvaluationError(
            f"There are {len(verdicts)} verdicts, but a gate needs {MIN_VERDICTS}; collect more."
        )
    repositories = sorted({each.repository for each in verdicts})
    if len(repositories) < 3:
        raise EvaluationError(
            "A gate is checked on other repositories or documents than fitted on; at least three are needed."
        )
    inputs = [encode_fields(each.features) for each in verdicts]
    names = sorted({name for each in inputs for name in each})
    table = np.array([[each.get(name, 0.0) for name in names] for each in inputs])
    right = np.array([each.right for each in verdicts])
    owners = np.array([repositories.index(each.repository) for each in verdicts])
    if right.all() or not right.any():
        raise EvaluationError("All verdicts are alike, so there is nothing to fit; name other repositories.")
    strength = min(
        STRENGTHS, key=lambda each: _log_loss(_predict_held_out(table, right, owners, each), right)
    )
    estimates = _predict_held_out(table, right, owners, strength)
    thresholds = choose_thresholds(estimates, verdicts)
    bias, weights = _fit_weights(table, right, strength)
    gate = GateWeights(
        weights_sha256=weights_sha256,
        bias=round(bias, 6),
        weights={
            name: round(float(one), 6) for name, one in zip(names, weights, strict=True) if abs(one) > 1e-6
        },
        thresholds=thresholds,
    )
    return gate, check_gate(estimates, verdicts, owners)


def check_gate(
    estimates: NDArray[np.float64], verdicts: Sequence[AnswerVerdict], owners: NDArray[np.int64]
) -> GateCheck:
    """Compare a gate with the one that was in use; thresholds of a repository are chosen on the others.

    Args:
        estimates: of each verdict, by a gate that has not seen its repository.
        verdicts: what was right.
        owners: number of each verdict's repository.
    """
    others = np.array([each.confidence for each in verdicts])
    right = np.array([each.right for each in verdicts])
    groups = [each.group for each in verdicts]
    characters = np.array([each.characters for each in verdicts], np.float64)
    shown_before = np.array([each.was_shown for each in verdicts])
    right_shown: dict[str, Estimate] = {}
    wrong_shown: dict[str, Estimate] = {}
    utility: dict[str, Estimate] = {}
    utility_at_best: dict[str, Estimate] = {}
    limits = _choose_held_out(estimates, verdicts, owners)
    other_limits = _choose_held_out(others, verdicts, owners)
    for name in EAGERNESS:
        shown = (estimates >= limits[name]).astype(np.float64)
        change = shown - shown_before
        right_shown[name] = estimate(groups, list(change * right))
        wrong_shown[name] = estimate(groups, list(change * ~right))
        gains = np.where(right, characters, -COSTS[name])
        utility[name] = estimate(groups, list(change * gains))
        utility_at_best[name] = estimate(groups, list((shown - (others >= other_limits[name])) * gains))
    return GateCheck(
        calibration_error=compute_calibration_error(estimates, right),
        other_calibration_error=compute_calibration_error(others, right),
        log_loss=_log_loss(estimates, right),
        other_log_loss=_log_loss(others, right),
        reliability=make_reliability(estimates, right),
        other_reliability=make_reliability(others, right),
        right_shown=right_shown,
        wrong_shown=wrong_shown,
        utility=utility,
        utility_at_best=utility_at_best,
    )


def choose_thresholds(estimates: NDArray[np.float64], verdicts: Sequence[AnswerVerdict]) -> dict[str, float]:
    """Return the threshold with the most utility for each eagerness; a higher cost never gives a lower one."""
    right = np.array([each.right for each in verdicts])
    characters = np.array([each.characters for each in verdicts], np.float64)
    order = np.argsort(-estimates)
    found: dict[str, float] = {}
    highest = 1.0
    for name in EAGERNESS:
        gains = np.where(right, characters, -COSTS[name])[order].cumsum()
        best = int(gains.argmax())
        threshold = float(estimates[order][best]) if gains[best] > 0 else 1.0
        found[name] = highest = round(min(highest, threshold), 4)
    return found


def _choose_held_out(
    estimates: NDArray[np.float64], verdicts: Sequence[AnswerVerdict], owners: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return the threshold of each verdict by eagerness, chosen on the other repositories."""
    limits: dict[str, NDArray[np.float64]] = {name: np.zeros(len(verdicts)) for name in EAGERNESS}
    for owner in np.unique(owners):
        others = owners != owner
        found = choose_thresholds(
            estimates[others], [each for each, other in zip(verdicts, others, strict=True) if other]
        )
        for name in EAGERNESS:
            limits[name][~others] = found[name]
    return limits


def compute_calibration_error(estimates: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Compute the expected calibration error over bins of equal width (Guo et al. 2017), 0 to 1."""
    total = len(right)
    return sum(
        abs(each.estimated - each.right) * each.count / total for each in make_reliability(estimates, right)
    )


def make_reliability(estimates: NDArray[np.float64], right: NDArray[np.bool_]) -> list[Reliability]:
    """Return the reliability diagram: bins of equal width, without empty ones."""
    bins: dict[int, list[int]] = defaultdict(list)
    for number, value in enumerate(estimates):
        bins[min(BINS - 1, int(value * BINS))].append(number)
    return [
        Reliability(float(estimates[members].mean()), float(right[members].mean()), len(members))
        for _, members in sorted(bins.items())
    ]


def _predict_held_out(
    table: NDArray[np.float64], right: NDArray[np.bool_], owners: NDArray[np.int64], strength: float
) -> NDArray[np.float64]:
    """Estimate the verdicts of each repository by a gate that was fitted without it."""
    found = np.zeros(len(right))
    for owner in np.unique(owners):
        others = owners != owner
        if right[others].all() or not right[others].any():
            raise EvaluationError("The verdicts of all but one repository are alike; name more repositories.")
        bias, weights = _fit_weights(table[others], right[others], strength)
        found[~others] = 1 / (1 + np.exp(-np.clip(bias + table[~others] @ weights, -700, 700)))
    return found


def _fit_weights(
    table: NDArray[np.float64], right: NDArray[np.bool_], strength: float
) -> tuple[float, NDArray[np.float64]]:
    """Fit a regularized logistic regression; return bias and weights for inputs that are not standardized."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = table.mean(axis=0), table.std(axis=0)
    scale[scale < 1e-9] = 1.0
    fitted: Any = LogisticRegression(C=strength, max_iter=2000).fit((table - mean) / scale, right)
    weights: NDArray[np.float64] = fitted.coef_[0] / scale
    return float(fitted.intercept_[0] - weights @ mean), weights


def _log_loss(estimates: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bounded = np.clip(estimates, 1e-6, 1 - 1e-6)
    return -float(np.where(right, np.log(bounded), np.log1p(-bounded)).mean())


SIZE, MARGIN = 360, 60
"""Pixels of the diagram's side and of its margin."""


def draw_reliability(name: str, check: GateCheck) -> str:
    """Draw the share of right answers over the estimate; a circle's area shows the number of answers.

    Filled circles are of the fitted gate, empty ones of the gate in use.

    Args:
        name: name of the model.
        check: the fitted gate on repositories that it has not seen.
    """
    whole = SIZE + 2 * MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return MARGIN + SIZE * x, MARGIN + SIZE * (1 - y)

    series = ((check.reliability, "#1f77b4"), (check.other_reliability, "none"))
    most = max(each.count for bins, _ in series for each in bins)
    parts = [
        f'<rect width="{whole}" height="{whole}" fill="white"/>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>',
        f'<line x1="{MARGIN}" y1="{MARGIN + SIZE}" x2="{MARGIN + SIZE}" y2="{MARGIN}" stroke="#999"/>',
        _text(
            whole / 2,
            24,
            f"{name}: calibration error {check.calibration_error:.3f} (filled: fitted),"
            f" {check.other_calibration_error:.3f} (empty: in use)",
        ),
        _text(whole / 2, whole - 16, "estimated probability of being right"),
        _text(MARGIN, MARGIN - 10, "share that is right"),
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = place(share, share)
        parts += [_text(x, MARGIN + SIZE + 18, f"{share:g}"), _text(MARGIN - 20, y + 4, f"{share:g}")]
    for bins, fill in series:
        for each in bins:
            x, y = place(each.estimated, each.right)
            radius = 3 + 12 * (each.count / most) ** 0.5
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity="0.6"'
                f' stroke="#1f77b4"><title>{each.count} answers: {each.right:.2f} right</title></circle>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{whole}"'
        f' font-family="sans-serif">{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="12">{escape(text)}</text>'
