"""The arms that each lesson compares, and the shape and length of the runs at each size, as data."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cg2_training.errors import TrainingError
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import CodeTokenizer

CODE, TEXT = "code", "text"
"""Domains of the corpora."""

CODE_ALONE: Mapping[str, float] = {CODE: 1.0}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train the model.

    Attributes:
        name: name of its files and in tables.
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
        number: number from 1 to 5.
        title: title of its section in the report.
        claim: claim of the paper, in one sentence.
        comparisons: comparisons that decide; the first one is drawn first.
        note: differences of this repetition that a reader must know.
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
SERVED: Mapping[str, Any] = {**DENSE, "token_start_share": 0.7, "anchor_share": 0.5} | {
    "suffix_first_share": 0.25,
    "near_suffix_share": 0.25,
}

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
        Arm(name="served", title="all of these", objective=SERVED),
    )
}
"""Every arm by name. Arms that lessons share are trained once."""

LESSONS: Mapping[int, Lesson] = {
    lesson.number: lesson
    for lesson in (
        Lesson(
            1,
            "Prefix-LM against causal decoder",
            "A prefix-LM is no better than a causal decoder, and a little worse in some measures.",
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
            "Reading the same tokens more often continues to help.",
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
    "This compares options for training a model as it is served.",
    tuple(
        Comparison(arm, "mixture", f"code/{measure}", 0)
        for measure in ("served", "wrong_line", "causal")
        for arm in ("tokens", "dense", "anchored", "suffix_first", "near", "served")
    ),
    "The measures are at held-out cursors in the server's layout: nats of the rest of the line, and the share of"
    " lines that greedy decoding gets wrong.",
)
"""Not a lesson of the paper; its number is 0 and its name `mixtures`."""


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


MUON = {
    "name": "muon",
    "lr": 3e-3,
    "muon_lr": 5e-3,
    "schedule": "wsd",
    "warmup_steps": 50,
    "final_lr_ratio": 0.05,
    "decay_share": 0.35,
}

SIZES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # 8.2 million tokens an arm: less than 40 minutes of an idle core.
    "2m": {
        "model": {"n_layer": 4, "n_embd": 160, "n_head": 4, "rotary_dim": 32, "context_length": 256},
        "optimizer": MUON,
        "objective": {"max_spans": 3, "max_span_chars": 400},
        "run": {"steps": 2000, "rows_per_step": 16, "save_every": 100},
    },
    # The shape of python-small; 23 million tokens an arm.
    "9m": {
        "model": {"n_layer": 6, "n_embd": 256, "n_head": 4, "rotary_dim": 32, "context_length": 512},
        "optimizer": {**MUON, "warmup_steps": 100},
        "objective": {"max_span_chars": 300},
        "run": {"steps": 3700, "rows_per_step": 12, "save_every": 100},
    },
    # The shape of python-27m; 328 million tokens an arm, for one GPU.
    "27m": {
        "model": {"n_layer": 6, "n_embd": 512, "n_head": 8, "rotary_dim": 32, "context_length": 1024},
        "optimizer": {**MUON, "muon_lr": 4e-3, "warmup_steps": 100},
        "objective": {"max_span_chars": 500},
        "run": {"steps": 2000, "rows_per_step": 160, "rows_per_pass": 80, "save_every": 500, "loaders": 12},
    },
    # The shape of python-125m; 2.5 billion tokens an arm, AdamW so that several GPUs can share a run.
    "125m": {
        "model": {"n_layer": 12, "n_embd": 768, "n_head": 12, "rotary_dim": 32, "context_length": 1024},
        "optimizer": {"name": "adamw", "lr": 6e-4, "schedule": "cosine", "warmup_steps": 500},
        "objective": {"max_span_chars": 600},
        "run": {"steps": 5000, "rows_per_step": 480, "rows_per_pass": 30, "save_every": 500, "loaders": 8},
    },
}

EVALUATE_ROWS = 16
"""Rows of the trainer's own evaluation, which only its log shows; the scores of the report have their own."""


def size_recipe(size: str, tokenizer: CodeTokenizer, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the raw recipe of a full run at a size.

    Args:
        size: a name in SIZES.
        tokenizer: tokenizer of the corpora; determines the vocabulary.
        overrides: `SECTION.KEY=VALUE`, for every arm.

    Raises:
        TrainingError: the size is unknown, or an override cannot be applied.
    """
    if size not in SIZES:
        raise TrainingError(f"there is no size {size!r}; choose from {', '.join(SIZES)}.")
    raw: dict[str, Any] = copy.deepcopy({name: dict(table) for name, table in SIZES[size].items()})
    raw["model"] |= {"vocab_size": tokenizer.special.vocab_size, "n_masks": tokenizer.special.n_masks}
    raw["name"] = f"lessons-{size}"
    recipe = Recipe.from_dict(raw, raw["name"])
    if not overrides:
        return recipe.to_dict()
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "recipe.toml"
        path.write_text(recipe.to_toml(), encoding="utf-8")
        try:
            return Recipe.load(path, overrides).to_dict()
        except TrainingError as error:
            raise TrainingError(str(error).replace(str(path), raw["name"])) from None


def arm_recipe(
    full: Mapping[str, Any], arm: Arm, seed: int, weights: Mapping[str, float], origin: str = "lessons"
) -> Recipe:
    """Return the recipe of one arm and seed.

    Args:
        full: result of `size_recipe`.
        arm: arm, which changes the recipe.
        seed: seed of the initial weights and of the order of the data, the same for all arms.
        weights: weights of the arm's sources.
        origin: first words of error messages.

    Raises:
        TrainingError: the steps are too few for the arm.
    """
    raw: dict[str, Any] = copy.deepcopy(dict(full))
    raw["name"] = f"{raw['name']}-{arm.name}-{seed}"
    raw["objective"] |= arm.objective
    steps = max(1, raw["run"]["steps"] // arm.steps_divisor)
    raw["run"] |= {"steps": steps, "seed": seed, "evaluate_every": steps, "evaluate_rows": EVALUATE_ROWS}
    raw["run"]["served_places"] = 0
    raw["optimizer"]["warmup_steps"] //= arm.steps_divisor
    raw["data"] = {name: {"weight": weight} for name, weight in weights.items()}
    return Recipe.from_dict(raw, f"{origin}, arm {arm.name}")
