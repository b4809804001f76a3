"""Verdicts for fitting a gate: numbers about answers at positions of real files, and whether they were right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.completion.confidence_gate import MIN_CONFIDENCE, MIN_CONFIDENCE_WITH_PRIOR
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.quality.scores import ask_while_typing, judge
from cg2ls.files import write_atomically
from cg2ls.jsontext import json_text
from cg2ls.server.own_verdicts import own_verdicts, shorten_hash

if TYPE_CHECKING:
    from cg2ls.evaluation.quality.positions import Position
    from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor


REPORT_EVERY = 100

OWN_FOLDS = 5
"""Groups of the user's documents; a gate is fitted on all but one and checked on that one."""


@dataclass(frozen=True)
class AnswerVerdict:
    """One answer of the model.

    Attributes:
        repository: repository of the position; fitting and checking use different ones.
        file: number of the file in its repository's order of appearance, so that no path is kept.
        kind: kind of the position.
        right: whether the first line shown is the line that was written.
        characters: length of that line, which is saved if it is right.
        confidence: estimate of the gate that is in use.
        features: numbers and names of `HypothesisFeatures`.
        shown: whether the user saw it; None if it was collected, so that the measured thresholds would decide.
    """

    repository: str
    file: int
    kind: str
    right: bool
    characters: int
    confidence: float
    features: dict[str, Any]
    shown: bool | None = None

    @property
    def group(self) -> str:
        """The file, for intervals: answers in one file resemble each other."""
        return f"{self.repository}/{self.file}"

    @property
    def was_shown(self) -> bool:
        """Whether the gate in use shows the answer."""
        if self.shown is not None:
            return self.shown
        measured = MIN_CONFIDENCE_WITH_PRIOR if self.features["has_prior"] else MIN_CONFIDENCE
        return self.confidence >= measured["balanced"]


def collect_verdicts(
    editor: HeadlessEditor,
    positions: Iterable[Position],
    on_step: Callable[[str], None] = lambda _: None,
) -> Iterator[AnswerVerdict]:
    """Complete at every position and yield a verdict if the model had something to show.

    Args:
        editor: editor with an option `min_confidence` so low that nearly every answer is shown.
        positions: positions to complete at.
        on_step: receives progress.
    """
    files: dict[str, int] = {}
    for number, position in enumerate(positions, 1):
        answer = ask_while_typing(editor, position)
        file = files.setdefault(position.source.name, len(files))
        if answer.text and answer.features is not None:
            verdict = judge(position.passage, answer.text, answer.replace_length)
            first = answer.text.strip("\n").partition("\n")[0]
            yield AnswerVerdict(
                repository=position.source.repository,
                file=file,
                kind=position.kind,
                right=verdict.exact_line,
                characters=len(first.strip()),
                confidence=answer.confidence,
                features=asdict(answer.features),
            )
        if number % REPORT_EVERY == 0:
            on_step(f"completed at {number} places")


def write_verdicts(path: Path, verdicts: Iterable[AnswerVerdict]) -> None:
    """Write verdicts as JSON lines."""
    write_atomically(path, "".join(json_text(asdict(each)) + "\n" for each in verdicts))


def read_verdicts(path: Path) -> list[AnswerVerdict]:
    """Read verdicts.

    Raises:
        EvaluationError: the file cannot be read or contains something else.
    """
    try:
        return [AnswerVerdict(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise EvaluationError(
            f"{path} has no verdicts ({error}); collect them with `cg2ls gate collect`."
        ) from None


def read_own_verdicts(weights_sha256: str) -> list[AnswerVerdict]:
    """Read the verdicts of the user's own acceptances of a model; documents are dealt out to `OWN_FOLDS` groups.

    Args:
        weights_sha256: hash of the model's weights.

    Raises:
        StatsError: they cannot be read.
    """
    found = [each for each in own_verdicts().read() if each.weights == shorten_hash(weights_sha256)]
    folds = {
        group: str(number % OWN_FOLDS) for number, group in enumerate(sorted({each.group for each in found}))
    }
    return [
        AnswerVerdict(
            repository=folds[each.group],
            file=each.group,
            kind=each.features["place"],
            right=each.right,
            characters=each.characters,
            confidence=each.confidence,
            features=each.features,
            shown=True,
        )
        for each in found
    ]
