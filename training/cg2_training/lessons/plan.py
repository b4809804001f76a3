"""Plan of a call of `cg2-train lessons`, checked before training begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import TEXT, Arm, Lesson, arm_recipe, arms_of
from cg2_training.lessons.corpora import Corpora, Sources
from cg2_training.lessons.results import code_version
from cg2_training.lessons.scores import MIN_ROWS
from cg2_training.run.recipe import Recipe
from cg2ls.files import write_atomically

IDENTITY = "lessons.json"
"""File of a work folder that describes its results' inputs."""

MAX_EPOCHS = 4
"""Number of epochs above which repetition would affect the result (Muennighoff et al. 2023)."""


@dataclass(frozen=True)
class Plan:
    """Arms, seeds and their folders.

    Attributes:
        size: name of the size.
        full: raw recipe of a full run.
        corpora: corpora for training and scoring.
        lessons: lessons to run.
        seeds: seeds of each arm.
        rows: held-out rows of each source that are scored.
        work: folder of states, subsets and results.
        only: names of the arms that are run; all that the lessons need if empty.
    """

    size: str
    full: Mapping[str, Any]
    corpora: Corpora
    lessons: Sequence[Lesson]
    seeds: int
    rows: int
    work: Path
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names in `only`.

        Raises:
            TrainingError: the lessons have no such arm.
        """
        needed = [arm.name for arm in arms_of(self.lessons)]
        for name in self.only:
            if name not in needed:
                raise TrainingError(f"the lessons have no arm {name!r}; choose from {', '.join(needed)}.")

    @property
    def runs(self) -> list[tuple[Arm, int]]:
        """Return every arm and seed; all arms of a seed first, so that comparisons are complete early."""
        arms = [arm for arm in arms_of(self.lessons) if not self.only or arm.name in self.only]
        return [(arm, seed) for seed in range(1, self.seeds + 1) for arm in arms]

    @property
    def context(self) -> int:
        """Return the tokens of a row."""
        return int(self.full["model"]["context_length"])

    @property
    def full_rows(self) -> int:
        """Return the rows that a full run trains on."""
        return int(self.full["run"]["steps"]) * int(self.full["run"]["rows_per_step"])

    @property
    def results(self) -> Path:
        """Return the folder of the arms' JSON files."""
        return self.work / "results"

    def run_folder(self, arm: Arm, seed: int) -> Path:
        """Return the folder of an arm's states and log."""
        return self.work / "runs" / f"{arm.name}-{seed}"

    def recipe(self, arm: Arm, seed: int) -> Recipe:
        """Return the recipe of an arm and seed."""
        return arm_recipe(self.full, arm, seed, self.corpora.weights(arm), f"lessons {self.size}")

    def train_sources(self, arm: Arm) -> Sources:
        """Return the shards that an arm trains on."""
        return self.corpora.train_sources(arm, rows=self.full_rows, context=self.context, work=self.work)

    def identity(self) -> dict[str, Any]:
        """Return the values that must be equal for results to be comparable."""
        return {
            "commit": code_version(),
            "size": self.size,
            "recipe": self.full,
            "rows": self.rows,
            "shards": self.corpora.digests(),
        }


def possible_lessons(
    lessons: Sequence[Lesson], corpora: Corpora, full: Mapping[str, Any]
) -> tuple[list[Lesson], list[str]]:
    """Return the lessons for which the corpora suffice, and a sentence for each of the others.

    Raises:
        TrainingError: none is possible, or a corpus is too small for any.
    """
    tokens = full["run"]["steps"] * full["run"]["rows_per_step"] * full["model"]["context_length"]
    possible, left_out = [], []
    for lesson in lessons:
        if lesson.needs_text and TEXT not in corpora.train:
            left_out.append(f"Lesson {lesson.number} needs a text corpus; name one with --text-corpus.")
            continue
        domains = {domain for arm in arms_of([lesson]) for domain in arm.domains}
        sizes = {domain: corpora.tokens(domain) for domain in sorted(domains)}
        for domain, size in sizes.items():
            if size * MAX_EPOCHS < tokens:
                raise TrainingError(
                    f"the {domain} corpus has {size:,} tokens, and an arm reads {tokens:,}, more than"
                    f" {MAX_EPOCHS} times"
                    " over; add documents, choose a smaller --size, or lower --set run.steps=N."
                )
        fresh = tokens + 2 * full["model"]["context_length"] * len(corpora.train["code"])
        if lesson.needs_fresh_tokens and sizes["code"] < fresh:
            left_out.append(
                f"Lesson {lesson.number} needs {fresh:,} tokens of code that are read once, and the corpus has"
                f" {sizes['code']:,}; add documents, or lower --set run.steps=N."
            )
            continue
        possible.append(lesson)
    if not possible:
        raise TrainingError(" ".join(left_out))
    return possible, left_out


def check_heldout(corpora: Corpora, context: int) -> None:
    """Make sure, before training, that every domain has enough rows to score.

    Raises:
        TrainingError: see above.
    """
    for domain, sources in corpora.heldout.items():
        rows = sum(
            max(0, (len(TokenShard.open(path).tokens) - 1) // context - 1) for path in sources.values()
        )
        if rows < MIN_ROWS:
            raise TrainingError(
                f"the held-out {domain} has {rows} rows of {context} tokens, fewer than {MIN_ROWS}; hold"
                " out more."
            )


def claim_work(work: Path, identity: Mapping[str, Any]) -> None:
    """Record the inputs of the results in a new work folder, or compare them with its record.

    Raises:
        TrainingError: its results are of other code, another size, other settings or other tokens.
    """
    path = work / IDENTITY
    raw = json.dumps(identity, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        if work.exists() and (not work.is_dir() or any(one.name != LOCK for one in work.iterdir())):
            raise TrainingError(
                f"{work} contains something other than lessons; choose another --work folder."
            )
        write_atomically(path, raw)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in identity if before.get(key) != json.loads(raw)[key]]
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{path} is damaged ({error}); choose another --work folder.") from None
    if changed:
        listed = "; ".join(
            f"{key} was {before.get(key)} and is {identity[key]}"
            if key in ("commit", "size", "rows")
            else f"the {key} changed"
            for key in changed
        )
        raise TrainingError(f"{work} has results of another run: {listed}; choose another --work folder.")


LOCK = ".lock"
"""File of a work folder, locked by the process that trains there."""
