"""What the model and the memory would have said about each token that was really written.

Completion is asked at places of real files exactly as an editor asks, but every token it chooses is the true one
(teacher forcing). So each token is judged in front of a true text, under the prompt, the healing and the end of
the answer that a user would have had.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.evaluation.simulation.headless_editor import Editor
from cg2ls.evaluation.statistics import spread
from cg2ls.retrieval.memory.evidence import EACH_SIDE
from cg2ls.retrieval.memory.fit_mixture import Examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine import Engine, Prior
    from cg2ls.evaluation.quality.positions import Position
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import Source
    from cg2ls.retrieval.memory.mixture import Votes
    from cg2ls.retrieval.memory.prior import MemoryPrior

WIDTH = 8 * EACH_SIDE
"""Most votes of one token: both sides of the document's two parts and the index's two. In a replay no other
document is open and nothing is installed."""

FAR = np.float32(-1e4)
"""Log-probability of every token that was not written, while the true one is forced."""


@dataclass(frozen=True)
class TokenLesson:
    """One token.

    Attributes:
        file: the file it stands in.
        truth: the token.
        votes: what memory found; None without memory.
        token_logprobs: the model's log-probabilities of what was voted for, [votes].
        truth_logprob: the model's of the truth.
        entropy: of the model's distribution, in nats.
        likeliest: the model's highest probability.
        bits: what the truth costs after mixing.
        right: whether the truth is the likeliest token after mixing.
        right_alone: whether it is to the model.
    """

    file: str
    truth: int
    votes: Votes | None
    token_logprobs: NDArray[np.float64]
    truth_logprob: float
    entropy: float
    likeliest: float
    bits: float
    right: bool
    right_alone: bool


@dataclass
class _Teacher:
    """A prior that knows what was written and says nothing else."""

    file: str
    truth: Sequence[int]
    end: int
    memory: MemoryPrior | None
    lessons: list[TokenLesson] = field(default_factory=list)

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        at = len(generated)
        on_the_way = at < len(self.truth) and list(generated) == list(self.truth[:at])
        if on_the_way and at == len(self.lessons):
            self.lessons.append(self._lesson(generated, logits))
        said = np.full_like(logits, FAR)
        said[self.truth[at] if on_the_way else self.end] = 0
        return said

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        return self.truth[len(generated) : len(generated) + most]

    def _lesson(self, generated: Sequence[int], logits: NDArray[np.float32]) -> TokenLesson:
        truth = int(self.truth[len(generated)])
        logprobs = logits - np.logaddexp.reduce(logits.astype(np.float64))
        votes = self.memory.evidence(generated).votes if self.memory else None
        mixed = self.memory.mix(generated, logits) if self.memory else logprobs
        return TokenLesson(
            file=self.file,
            truth=truth,
            votes=votes,
            token_logprobs=np.asarray(logprobs[votes.tokens] if votes else np.zeros(0), np.float64),
            truth_logprob=float(logprobs[truth]),
            entropy=float(-(np.exp(logprobs) * logprobs).sum()),
            likeliest=float(np.exp(logprobs.max())),
            bits=float(-mixed[truth] / np.log(2)),
            right=int(mixed.argmax()) == truth,
            right_alone=int(logits.argmax()) == truth,
        )


@dataclass
class _School:
    """Stands between completion and memory, and puts a teacher in front of each answer.

    Attributes:
        engine: the open model.
        memories: of the repositories.
        rest: what was written behind the cursor of the place that is asked at.
        cursor: its offset.
        teacher: of the last answer; None if none was asked for.
    """

    engine: Engine
    memories: ReplayMemory
    rest: str = ""
    cursor: int = 0
    teacher: _Teacher | None = None

    def prior(self, source: Source, text: str, offset: int) -> Prior | None:
        tokenizer = self.engine.tokenizer
        truth = tokenizer.encode(text[offset : self.cursor] + self.rest)
        memory = self.memories.prior(source, text, offset)
        self.teacher = _Teacher(source.name, truth, tokenizer.special.eom, memory)
        return self.teacher


def learn(
    engine: Engine,
    memories: ReplayMemory,
    positions: Sequence[Position],
    editor: Callable[..., Editor] = Editor,
) -> list[TokenLesson]:
    """Lessons at places of real files; at some kinds of place nothing is to be learnt.

    Args:
        engine: the open model.
        memories: of the repositories.
        positions: where to ask.
        editor: makes an editor from the engine and what stands for its memories.
    """
    taught: list[TokenLesson] = []
    school = _School(engine, memories)
    asking = editor(engine, memories=school)
    for position in positions:
        passage = position.passage
        if not passage.target.startswith(passage.left):
            continue
        text, offset = position.place()
        school.cursor, school.rest = offset, passage.target[len(passage.left) :] + "\n"
        school.teacher = None
        asking.ask(position.source, text, offset)
        asking.close(position.source)
        if school.teacher is not None:
            taught += school.teacher.lessons
    return taught


def examples(lessons: Sequence[TokenLesson]) -> Examples:
    """Lessons as the fit takes them."""
    names = {name: number for number, name in enumerate(sorted({lesson.file for lesson in lessons}))}

    def padded(values: Callable[[Votes], NDArray[Any]], dtype: type) -> NDArray[Any]:
        table: NDArray[Any] = np.zeros((len(lessons), WIDTH), dtype)
        for row, lesson in zip(table, lessons, strict=True):
            if lesson.votes is not None:
                row[: len(lesson.votes.tokens)] = values(lesson.votes)
        return table

    logprobs = np.zeros((len(lessons), WIDTH))
    for row, lesson in zip(logprobs, lessons, strict=True):
        row[: len(lesson.token_logprobs)] = lesson.token_logprobs
    return Examples(
        tokens=padded(lambda votes: votes.tokens, np.int64),
        lengths=padded(lambda votes: votes.lengths, np.int64),
        sources=padded(lambda votes: votes.sources, np.int64),
        logprobs=logprobs,
        many=padded(lambda votes: votes.crowd[0][votes.lengths], np.float64),
        kinds=padded(lambda votes: votes.crowd[1][votes.lengths], np.float64),
        truth=np.array([lesson.truth for lesson in lessons], np.int64),
        truth_logprob=np.array([lesson.truth_logprob for lesson in lessons]),
        entropy=np.array([lesson.entropy for lesson in lessons]),
        likeliest=np.array([lesson.likeliest for lesson in lessons]),
        file=np.array([names[lesson.file] for lesson in lessons], np.int64),
    )


def summary(lessons: Sequence[TokenLesson]) -> dict[str, Any]:
    """Next-token accuracy and bits per token, with memory and of the model alone, each with its spread."""
    files = [lesson.file for lesson in lessons]
    ones = [1.0] * len(lessons)
    shares = {
        "next_token_accuracy": [float(lesson.right) for lesson in lessons],
        "next_token_accuracy_of_the_model": [float(lesson.right_alone) for lesson in lessons],
        "bits_per_token": [lesson.bits for lesson in lessons],
        "bits_per_token_of_the_model": [float(-lesson.truth_logprob / np.log(2)) for lesson in lessons],
    }
    found: dict[str, Any] = {"tokens": len(lessons)}
    for name, values in shares.items():
        low, high = spread(files, values, ones)
        found[name] = {"mean": round(float(np.mean(values)), 4), "spread": [round(low, 4), round(high, 4)]}
    return found
