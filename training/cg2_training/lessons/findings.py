"""Paired effects with intervals over rows and seeds, and a sentence on each lesson, from stored results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import ARMS, LESSONS, Comparison, Lesson
from cg2_training.lessons.results import Results
from cg2_training.lessons.scores import BITS_PER_BYTE, MEASURES, NATS_PER_TOKEN, PLACES, FloatArray

RESAMPLES = 4000
BOOTSTRAP_SEED = 20230503
LEVEL = 0.95
CHUNK = 500
"""Number of resamples drawn together, which limits the memory."""


@dataclass(frozen=True)
class Effect:
    """Arm minus baseline, per unit of the measure.

    Attributes:
        mean: mean over all rows and seeds.
        low: lower end of the 95 % interval over rows, seeds averaged.
        high: upper end.
        by_seed: the same difference for each seed.
        rows: number of paired rows.
    """

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    rows: int

    @property
    def seed_deviation(self) -> float | None:
        """Standard deviation over seeds; None for one seed."""
        return deviation(self.by_seed)

    @property
    def is_resolved(self) -> bool:
        """Whether the interval excludes zero and every seed, of at least two, has the same sign."""
        signs = {np.sign(one) for one in self.by_seed}
        return self.low * self.high > 0 and len(self.by_seed) > 1 and len(signs) == 1


def paired_effect(arm: FloatArray, baseline: FloatArray, weights: FloatArray) -> Effect:
    """Compare two arms on the same rows and seeds.

    Args:
        arm: sums by seed and row, float64 [seeds, rows].
        baseline: sums of the baseline, for the same seeds and rows.
        weights: divisors of the rows' sums, at least 0, float64 [rows].

    Raises:
        TrainingError: shapes differ, or there is nothing to divide by.
    """
    if arm.shape != baseline.shape or arm.shape[1:] != weights.shape or arm.size == 0:
        raise TrainingError("the arms were not scored on the same rows and seeds, so they cannot be paired.")
    if weights.sum() <= 0:
        raise TrainingError("the rows have no labels of this measure, so there is nothing to compare.")
    differences = arm - baseline
    by_seed = differences.sum(axis=1) / weights.sum()
    mean_by_row = differences.mean(axis=0)
    low, high = _interval(mean_by_row, weights)
    return Effect(float(by_seed.mean()), low, high, tuple(by_seed.tolist()), len(weights))


def deviation(values: tuple[float, ...]) -> float | None:
    """Return the standard deviation of a sample; None for one value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _interval(sums: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return the percentile interval of a ratio of sums over resampled rows."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    rows = len(sums)
    found: list[FloatArray] = []
    for first in range(0, RESAMPLES, CHUNK):
        drawn = rng.integers(rows, size=(min(CHUNK, RESAMPLES - first), rows))
        below = weights[drawn].sum(axis=1)
        found.append(sums[drawn].sum(axis=1) / np.where(below > 0, below, np.nan))
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)


LN2 = float(np.log(2))


@dataclass(frozen=True)
class Level:
    """A measure of one arm: mean over seeds, spread, and number of seeds."""

    mean: float
    deviation: float | None
    seeds: int


@dataclass(frozen=True)
class Finding:
    """One comparison of a lesson.

    Attributes:
        comparison: arm, baseline and measure.
        effect: paired difference; None if an arm or a seed is missing.
        baseline: level of the baseline on the paired seeds; 0 without an effect.
    """

    comparison: Comparison
    effect: Effect | None
    baseline: float = 0.0

    @property
    def unit(self) -> str:
        """Return the measure's unit."""
        return unit_of(self.comparison.measure)

    @property
    def sentence(self) -> str:
        """Return a sentence on the paper's claim by this comparison."""
        one, effect = self.comparison, self.effect
        about = f"{one.arm} against {one.baseline} on {label_of(one.measure)}"
        if effect is None:
            return f"Not measured: {about}."
        sign = int(np.sign(effect.mean))
        seeds = len(effect.by_seed)
        figures = f"{effect.mean:+.4f} {self.unit}, 95 % interval {effect.low:+.4f} to {effect.high:+.4f}"
        if not effect.is_resolved:
            why = (
                "the seeds disagree in sign" if seeds > 1 else "one seed does not show the spread over seeds"
            )
            if effect.low * effect.high <= 0:
                why = "the interval includes zero"
            return f"Not resolved: {about} ({figures}): {why}."
        if not one.expected:
            better = "better" if sign < 0 else "worse"
            return f"No claim, but measured: {about} is {better} ({figures})."
        shows = "The direction shows" if sign == one.expected else "The opposite direction shows"
        return f"{shows}: {about} ({figures}, {seeds} seeds)."


@dataclass(frozen=True)
class LessonFindings:
    """All findings of a lesson that the results allow."""

    lesson: Lesson
    findings: tuple[Finding, ...]

    @property
    def is_measured(self) -> bool:
        """Whether there is any effect."""
        return any(finding.effect for finding in self.findings)

    @property
    def summary(self) -> str:
        """Return the sentence on the whole lesson."""
        claims = [finding for finding in self.findings if finding.comparison.expected]
        if not claims:
            return self._summary_without_claims()
        measured = [finding for finding in claims if finding.effect]
        if not measured:
            return "Not run: there are no two arms of this lesson with the same seed yet."
        shown = [one for one in measured if _agrees(one)]
        opposite = [one for one in measured if one.effect and one.effect.is_resolved and not _agrees(one)]
        unresolved = len(measured) - len(shown) - len(opposite)
        summary = f"Claimed directions: {len(claims)}. Shown at this size: {len(shown)}"
        if opposite:
            summary += f", the opposite: {len(opposite)}"
        if unresolved:
            summary += f", not resolved: {unresolved}"
        if len(measured) < len(claims):
            summary += f", not measured: {len(claims) - len(measured)}"
        return summary + "."

    def _summary_without_claims(self) -> str:
        effects = [finding.effect for finding in self.findings if finding.effect]
        if not effects:
            return "Not run: there are no two arms with the same seed yet."
        better = sum(effect.is_resolved and effect.mean < 0 for effect in effects)
        worse = sum(effect.is_resolved and effect.mean > 0 for effect in effects)
        return (
            f"Comparisons: {len(effects)}. Better: {better}, worse: {worse},"
            f" not resolved: {len(effects) - better - worse}."
        )


def lesson_findings(results: Results, lessons: Sequence[Lesson] | None = None) -> list[LessonFindings]:
    """Return the findings of the lessons, all five unless some are named."""
    return [
        LessonFindings(lesson, tuple(_finding(results, one) for one in lesson.comparisons))
        for lesson in (LESSONS.values() if lessons is None else lessons)
    ]


def unit_of(measure: str) -> str:
    """Return the unit of `DOMAIN/MEASURE`."""
    return MEASURES[measure.partition("/")[2]]


def label_of(measure: str) -> str:
    """Return a measure in words."""
    domain, _, name = measure.partition("/")
    kind, _, place = name.partition("/")
    kinds = {
        "causal": "left to right",
        "continuation": "continuation",
        "psm": "PSM infill",
        "served": "rest of the line",
        "served_wrong": "rest of the line, wrong text below",
        "served_none": "rest of the line, nothing below",
        "wrong_line": "wrong lines",
    }
    words = f"{domain}, {kinds.get(kind, 'span infill')}"
    if not place:
        return words
    return f"{words}, {'<eom>' if place == 'eom' else f'token {place}'}"


def measures_of(lesson: Lesson) -> list[str]:
    """Return the measures of a lesson's tables, infill measures followed by their places."""
    measures = dict.fromkeys(one.measure for one in lesson.comparisons)
    found = []
    for measure in measures:
        found.append(measure)
        if unit_of(measure) == NATS_PER_TOKEN:
            found += [f"{measure}/{place}" for place in PLACES]
    return found


def level(results: Results, arm: str, measure: str) -> Level | None:
    """Return an arm's mean of a measure over its seeds; None if it was not scored."""
    sums = [one.row_nats(measure) for one in results.of(arm).values()]
    known = [one for one in sums if one is not None]
    if not known:
        return None
    below = _weights(results, measure).sum()
    values = tuple(float(one.sum() / below) for one in known) if below else (0.0,)
    return Level(float(np.mean(values)), deviation(values), len(values))


def _finding(results: Results, comparison: Comparison) -> Finding:
    arm, baseline = results.of(comparison.arm), results.of(comparison.baseline)
    pairs = [
        (one, other)
        for seed in sorted(set(arm) & set(baseline))
        if (one := arm[seed].row_nats(comparison.measure)) is not None
        and (other := baseline[seed].row_nats(comparison.measure)) is not None
    ]
    if not pairs:
        return Finding(comparison, None)
    ours, theirs = (np.stack(side) for side in zip(*pairs, strict=True))
    weights = _weights(results, comparison.measure)
    effect = paired_effect(ours, theirs, weights)
    return Finding(comparison, effect, float(theirs.sum(axis=1).mean() / weights.sum()))


def _weights(results: Results, measure: str) -> FloatArray:
    """Return the divisors of the rows' nats: bytes times ln 2, or tokens."""
    if unit_of(measure) == BITS_PER_BYTE:
        return results.weights(measure, by_bytes=True).astype(np.float64) * LN2
    return results.weights(measure, by_bytes=False).astype(np.float64)


def _agrees(finding: Finding) -> bool:
    effect = finding.effect
    return bool(effect and effect.is_resolved and int(np.sign(effect.mean)) == finding.comparison.expected)


def title_of(arm: str) -> str:
    """Return an arm's name and its training data."""
    return f"{arm}: {ARMS[arm].title}"
