"""Which arms each lesson compares, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cg2_training.errors import TrainingError

CODE, TEXT = "code", "text"
"""Domains of the corpora."""

CODE_ALONE: Mapping[str, float] = {CODE: 1.0}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train the model.

    Attributes:
        name: of its files and in tables.
        title: its training data, in a few words.
        objective: settings of the recipe's [objective] that differ from the size's.
        domains: weight of each domain in the mixture.
        data_divisor: the arm sees only 1/N of the tokens that a full run reads, so a full run repeats them N times.
        steps_divisor: the arm runs for 1/N of the steps of a full run.
    """

    name: str
    title: str
    objective: Mapping[str, Any] = field(default_factory=dict)
    domains: Mapping[str, float] = field(default_factory=lambda: CODE_ALONE)
    data_divisor: int = 1
    steps_divisor: int = 1


@dataclass(frozen=True)
class Comparison:
    """One paired difference, arm minus baseline, of a measure that is better when it is lower.

    Attributes:
        arm: name of the arm.
        baseline: name of the arm that it is compared with.
        measure: name in `scores.MEASURES`, after a domain and a slash.
        expected: sign of the difference by the paper's claim; 0 where the paper claims nothing.
    """

    arm: str
    baseline: str
    measure: str
    expected: int


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        number: from 1 to 5.
        title: of its section in the report.
        claim: what the paper says, in one sentence.
        comparisons: what decides; the first one is drawn first.
        note: what a reader must know about this repetition of it.
    """

    number: int
    title: str
    claim: str
    comparisons: tuple[Comparison, ...]
    note: str = ""

    @property
    def heading(self) -> str:
        """Title with the number, for the lessons of the paper."""
        return f"{self.number}. {self.title}" if self.number else self.title

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms that the comparisons need, baselines first."""
        both = [name for one in self.comparisons for name in (one.baseline, one.arm)]
        return tuple(dict.fromkeys(both))

    @property
    def needs_text(self) -> bool:
        """Whether an arm trains on natural language."""
        return any(TEXT in ARMS[name].domains for name in self.arms)

    @property
    def needs_fresh_tokens(self) -> bool:
        """Whether a full run must not read any token twice."""
        return any(ARMS[name].data_divisor > 1 for name in self.arms)


DENSE: Mapping[str, Any] = {"dense_share": 0.5, "max_spans": 16}

ARMS: Mapping[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm(name="causal", title="causal language model", objective={"infill_share": 0.0}),
        Arm(name="mixture", title="causal + span corruption"),
        Arm(name="psm", title="causal + PSM infill", objective={"infill": "psm"}),
        Arm(
            name="prefix",
            title="prefix-LM, causal + span corruption",
            objective={"prefix_lm": True},
        ),
        Arm(name="ul2", title="causal + UL2", objective={"infill": "ul2"}),
        Arm(name="text", title="natural language", domains={TEXT: 1.0}),
        Arm(name="half", title="half code, half text", domains={CODE: 0.5, TEXT: 0.5}),
        Arm(name="repeat4", title="a quarter of the tokens, 4 epochs", data_divisor=4),
        Arm(name="repeat16", title="a sixteenth of the tokens, 16 epochs", data_divisor=16),
        Arm(
            name="epochs4",
            title="a sixteenth of the tokens, 4 epochs",
            data_divisor=16,
            steps_divisor=4,
        ),
        Arm(
            name="epochs1",
            title="a sixteenth of the tokens, 1 epoch",
            data_divisor=16,
            steps_divisor=16,
        ),
        Arm(name="tokens", title="middles begin at tokens", objective={"token_start_share": 0.7}),
        Arm(name="dense", title="short middles on many lines", objective=DENSE),
        Arm(name="anchored", title="known text before middles", objective={"anchor_share": 0.7}),
        Arm(name="suffix_first", title="suffix-prefix order", objective={"suffix_first_share": 0.5}),
        Arm(name="near", title="text below ends with the block", objective={"near_suffix_share": 0.5}),
        Arm(
            name="served",
            title="all of these",
            objective={
                **DENSE,
                "token_start_share": 0.7,
                "anchor_share": 0.5,
                "suffix_first_share": 0.25,
                "near_suffix_share": 0.25,
            },
        ),
    )
}
"""Every arm by name. Arms that lessons share are trained once."""

LESSONS: Mapping[int, Lesson] = {
    lesson.number: lesson
    for lesson in (
        Lesson(
            1,
            "Prefix-LM against causal decoder",
            "A prefix-LM brings no gain over a causal decoder, and costs some.",
            (
                Comparison("prefix", "mixture", "code/causal", 1),
                Comparison("prefix", "mixture", "code/continuation", 0),
                Comparison("prefix", "mixture", "code/span_corruption", 0),
            ),
            "The prefix-LM attends to prompts both ways, in training and where it is scored on"
            " continuation and infill."
            " No loss falls on its prompts, so it learns from fewer labels at the same compute, as in"
            " the paper.",
        ),
        Lesson(
            2,
            "Infilling is not free",
            "A model that also learns to infill (PSM) predicts left to right a little worse.",
            (
                Comparison("psm", "causal", "code/causal", 1),
                Comparison("psm", "causal", "code/psm", -1),
            ),
            "The causal arm never sees infill marks, so its infill score only shows that the other arm"
            " learned to infill.",
        ),
        Lesson(
            3,
            "The simple mixture",
            "Causal + span corruption comes close to a causal model left to right, infills, and beats"
            " UL2 left to right.",
            (
                Comparison("mixture", "ul2", "code/causal", -1),
                Comparison("mixture", "causal", "code/causal", 1),
                Comparison("mixture", "causal", "code/span_corruption", -1),
                Comparison("mixture", "ul2", "code/span_corruption", 0),
            ),
        ),
        Lesson(
            4,
            "Natural and programming language",
            "Half code and half text is a little worse than the matching domain alone and far better"
            " than the other.",
            (
                Comparison("half", "mixture", "code/causal", 1),
                Comparison("half", "text", "text/causal", 1),
                Comparison("half", "text", "code/causal", -1),
                Comparison("half", "mixture", "text/causal", -1),
            ),
        ),
        Lesson(
            5,
            "Many epochs",
            "Reading the same tokens more often goes on helping.",
            (
                Comparison("repeat16", "epochs1", "code/causal", -1),
                Comparison("epochs4", "epochs1", "code/causal", -1),
                Comparison("repeat16", "epochs4", "code/causal", -1),
                Comparison("repeat4", "mixture", "code/causal", 0),
                Comparison("repeat16", "mixture", "code/causal", 0),
            ),
            "The first three rows read the same sixteenth of the tokens 1, 4 and 16 times, so compute"
            " grows with the"
            " epochs. The last two have equal compute: what repetition costs against tokens that are new.",
        ),
    )
}


MIXTURES = Lesson(
    0,
    "Mixtures for an editor",
    "None: this compares this project's options for training a model as it is served.",
    tuple(
        Comparison(arm, "mixture", f"code/{measure}", 0)
        for measure in ("served", "wrong_line", "causal")
        for arm in ("tokens", "dense", "anchored", "suffix_first", "near", "served")
    ),
    "The measures are at held-out cursors in the server's layout: nats of the rest of the line, and the share of"
    " lines that greedy decoding gets wrong.",
)
"""Not a lesson of the paper; number 0, by name `mixtures`."""


def lessons_of(numbers: Iterable[int]) -> list[Lesson]:
    """Return the lessons with these numbers, each once, in order; all five for none, the mixtures for 0.

    Raises:
        TrainingError: a number is unknown.
    """
    known = {MIXTURES.number: MIXTURES, **LESSONS}
    wanted = sorted(set(numbers)) or list(LESSONS)
    for number in wanted:
        if number not in known:
            raise TrainingError(
                f"there is no lesson {number}; choose from {', '.join(map(str, LESSONS))} and mixtures."
            )
    return [known[number] for number in wanted]


def arms_of(lessons: Iterable[Lesson]) -> list[Arm]:
    """Return the arms that the lessons need, each once, in the order of ARMS."""
    needed = {name for lesson in lessons for name in lesson.arms}
    return [arm for name, arm in ARMS.items() if name in needed]
