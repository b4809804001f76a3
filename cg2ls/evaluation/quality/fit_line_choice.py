"""Fit the numbers of the choice among lines (`cg2ls.models.folder.line_choice`) to observed hypotheses.

The weights maximize the mean probability of the right line among the hypotheses, as a softmax of their scores. That is
a smooth version of the number of right lines, so few places suffice. Held-out files decide whether lines are
compared at a kind of place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.completion.choose import SURE_CONFIDENCE
from cg2ls.completion.confidence_gate import CONFIDENCE_BIAS, CONFIDENCE_SCALE
from cg2ls.completion.hypotheses import MAX_GAP
from cg2ls.completion.prompt.cursor import PLACE_KINDS
from cg2ls.errors import Cg2Error
from cg2ls.models.folder.line_choice import ConfidenceWeights, LineChoice, PlaceWeights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cg2ls.completion.prompt.cursor import PlaceKind
    from cg2ls.evaluation.quality.line_choices import ObservedChoice, ObservedLine

EVIDENCE_TOKENS = (8, 12, 16, 24, 40)
EVIDENCE_WEIGHTS = tuple(step / 20 for step in range(21))
GREEDY_BONUSES = (0.0, 0.5, 1.0)
"""Values that are tried."""

FOLDS = 4
MIN_PLACES = 100
"""Minimum number of places for a meaningful fit."""

RIDGE = 1.0
"""Weight of the penalty on the confidence's weights, in examples."""


class FitChoiceError(Cg2Error):
    """There are too few places for a fit."""


@dataclass(frozen=True)
class KindReport:
    """Places of one kind with text below.

    Attributes:
        places: number of places.
        greedy: places at which greedy decoding is right.
        likeliest: places at which the likeliest hypothesis is right.
        chosen: places at which the chosen line is right, with weights fitted to other files.
        found: places at which the right line is among the hypotheses.
        changed: places at which exactly one of greedy and chosen line is right.
    """

    places: int
    greedy: int
    likeliest: int
    chosen: int
    found: int
    changed: int

    @property
    def helps(self) -> bool:
        """Whether the gain over greedy decoding is larger than its standard error."""
        return self.chosen - self.greedy > math.sqrt(self.changed)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        return {
            "places": self.places,
            "greedy": self.greedy,
            "likeliest hypothesis": self.likeliest,
            "chosen, files held out": self.chosen,
            "among the hypotheses": self.found,
            "standard error of the gain": round(math.sqrt(self.changed), 1),
            "used": self.helps,
        }


@dataclass(frozen=True)
class ChoiceReport:
    """Result of a fit.

    Attributes:
        choice: the fitted numbers; kinds of place that do not gain are left out.
        kinds: measurements by kind of place.
    """

    choice: LineChoice
    kinds: Mapping[PlaceKind, KindReport]

    @property
    def helps(self) -> bool:
        """Whether any kind of place gains."""
        return bool(self.choice.places)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        return {
            "kinds": {name: kind.to_json() for name, kind in self.kinds.items()},
            "line_choice": self.choice.to_dict(),
            "helps": self.helps,
        }


@dataclass(frozen=True)
class _Weights:
    tokens: int
    evidence: float
    greedy: float

    def score(self, line: ObservedLine) -> float:
        return line.logprob + self.evidence * sum(line.evidence[: self.tokens]) + self.greedy * line.is_greedy

    def choose(self, choice: ObservedChoice) -> ObservedLine:
        return max(choice.lines, key=lambda line: (self.score(line), line.logprob))


def fit_line_choice(observed: Sequence[ObservedChoice]) -> ChoiceReport:
    """Fit all numbers, and measure each kind of place with files held out in turn.

    Args:
        observed: hypotheses at places of real files; those without text below do not count.

    Raises:
        FitChoiceError: there are too few places, or too few files.
    """
    usable = [choice for choice in observed if choice.lines and choice.lines[0].evidence]
    files = sorted({choice.file for choice in usable})
    if len(usable) < MIN_PLACES or len(files) < FOLDS:
        raise FitChoiceError(
            f"There are {len(usable)} places of {len(files)} files with text below, but at least {MIN_PLACES} places"
            f" of {FOLDS} files are needed; name more repositories, or use more places."
        )
    fold_of = {name: number % FOLDS for number, name in enumerate(files)}
    held_out = [
        _fit_weights([choice for choice in usable if fold_of[choice.file] != number])
        for number in range(FOLDS)
    ]
    kinds = {
        kind: _measure([choice for choice in usable if choice.place == kind], fold_of, held_out)
        for kind in PLACE_KINDS
    }
    weights = _fit_weights(usable)
    places = PlaceWeights(evidence=weights.evidence, greedy=weights.greedy)
    choice = LineChoice(
        evidence_tokens=weights.tokens,
        places={kind: places for kind, report in kinds.items() if report.helps},
        confidence=_fit_confidence(usable, weights),
    )
    return ChoiceReport(choice, kinds)


def _measure(
    choices: Sequence[ObservedChoice], fold_of: dict[str, int], held_out: Sequence[_Weights]
) -> KindReport:
    greedy = [any(line.is_greedy and line.is_right for line in choice.lines) for choice in choices]
    chosen = [held_out[fold_of[choice.file]].choose(choice).is_right for choice in choices]
    likeliest = [max(choice.lines, key=lambda line: line.logprob).is_right for choice in choices]
    return KindReport(
        places=len(choices),
        greedy=sum(greedy),
        likeliest=sum(likeliest),
        chosen=sum(chosen),
        found=sum(any(line.is_right for line in choice.lines) for choice in choices),
        changed=sum(one != other for one, other in zip(greedy, chosen, strict=True)),
    )


def _fit_weights(choices: Sequence[ObservedChoice]) -> _Weights:
    """Return the best of the weights that are tried, by the mean probability of the right line.

    Each token that is read costs time. So the fewest tokens are taken that are not worse than the best number by more
    than one standard error (Breiman et al. 1984).
    """
    decidable = [
        choice for choice in choices if 0 < sum(line.is_right for line in choice.lines) < len(choice.lines)
    ]
    best = [_fit_to_tokens(decidable, tokens) for tokens in EVIDENCE_TOKENS]
    highest = max(best, key=lambda each: each[1].sum())[1]
    for weights, chances in best:
        lost = highest - chances
        if lost.sum() <= lost.std() * math.sqrt(len(lost)):
            return weights
    raise AssertionError("the best one is not worse than itself")


def _fit_to_tokens(choices: Sequence[ObservedChoice], tokens: int) -> tuple[_Weights, NDArray[np.float64]]:
    """Return the best weights for a number of tokens, and the probability of the right line at each place."""
    table = _Table.of(choices, tokens)
    tried = (
        (_Weights(tokens, evidence, greedy), table.chances(evidence, greedy))
        for evidence, greedy in product(EVIDENCE_WEIGHTS, GREEDY_BONUSES)
    )
    return max(tried, key=lambda each: each[1].sum())


@dataclass(frozen=True)
class _Table:
    """Hypotheses of all places, padded to one width with lines that are impossible; each array is [places, width]."""

    logprobs: NDArray[np.float64]
    evidence: NDArray[np.float64]
    greedy: NDArray[np.float64]
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, choices: Sequence[ObservedChoice], tokens: int) -> _Table:
        shape = len(choices), max((len(choice.lines) for choice in choices), default=0)
        table = cls(np.full(shape, -np.inf), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool))
        for row, choice in enumerate(choices):
            for column, line in enumerate(choice.lines):
                table.logprobs[row, column] = line.logprob
                table.evidence[row, column] = sum(line.evidence[:tokens])
                table.greedy[row, column] = line.is_greedy
                table.right[row, column] = line.is_right
        return table

    def chances(self, evidence: float, greedy: float) -> NDArray[np.float64]:
        """Return the probability of the right lines at each place."""
        scores = self.logprobs + evidence * self.evidence + greedy * self.greedy
        right = np.where(self.right, scores, -np.inf)
        return np.asarray(np.exp(np.logaddexp.reduce(right, axis=1) - np.logaddexp.reduce(scores, axis=1)))


def _fit_confidence(choices: Sequence[ObservedChoice], weights: _Weights) -> ConfidenceWeights:
    """Fit the logistic model by Newton's method, on places at which greedy decoding is uncertain."""
    rows: list[tuple[float, float, float]] = []
    right: list[bool] = []
    for choice in choices:
        if any(line.is_greedy and _is_sure(line) for line in choice.lines):
            continue
        best = weights.choose(choice)
        others = [weights.score(line) for line in choice.lines if line is not best]
        lead = min(MAX_GAP, weights.score(best) - max(others)) if others else MAX_GAP
        rows.append((1.0, best.logprob, lead))
        right.append(best.is_right)
    features, truth = np.array(rows).reshape(-1, 3), np.array(right, dtype=float)
    fitted = _fit_logistic(features, truth)
    return ConfidenceWeights(bias=fitted[0], logprob=fitted[1], lead=fitted[2])


def _is_sure(line: ObservedLine) -> bool:
    return 1 / (1 + math.exp(-(CONFIDENCE_BIAS + CONFIDENCE_SCALE * line.logprob))) >= SURE_CONFIDENCE


def _fit_logistic(features: NDArray[np.float64], truth: NDArray[np.float64]) -> list[float]:
    """Return the weights of a logistic regression, rounded to three digits."""
    count = features.shape[1]
    weights = np.zeros(count)
    ridge = RIDGE * np.eye(count)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        gradient = features.T @ (truth - chance) - ridge @ weights
        curvature = (features.T * (chance * (1 - chance))) @ features + ridge
        weights = weights + np.linalg.solve(curvature, gradient)
    return [round(float(each), 3) for each in weights]
