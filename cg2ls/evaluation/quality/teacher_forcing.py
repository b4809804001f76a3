"""Model's and memory's probabilities of each token that was really written (teacher forcing).

Completions are requested at positions of real files exactly as an editor does, but every chosen token is the true one.
So each token is scored after a true text. Prompt, token healing and the end of the answer are those of a user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor
from cg2ls.evaluation.statistics import bootstrap_interval
from cg2ls.retrieval.memory.fit_mixture import Examples
from cg2ls.retrieval.memory.prior import EACH_SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine import Engine, Prior
    from cg2ls.evaluation.quality.positions import Position
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import SourceFile
    from cg2ls.retrieval.memory.prior import MemoryPrior
    from cg2ls.retrieval.memory.vote_mixture import Votes

MAX_VOTES = 8 * EACH_SIDE
"""Maximum votes of one token: both sides of the document's two parts and the index's two. In a replay no other
document is open and no package is installed."""

UNLIKELY = np.float32(-1e4)
"""Log-probability of every token that was not written, while the true one is forced."""


@dataclass(frozen=True)
class TokenObservation:
    """One written token.

    Attributes:
        file: the file it is in.
        truth: the token.
        votes: votes of memory; None without memory.
        token_logprobs: the model's log-probabilities of the voted tokens, [votes].
        truth_logprob: the model's log-probability of the token.
        entropy: entropy of the model's distribution, in nats.
        likeliest: the model's highest probability.
        bits: cost of the token after mixing.
        right: whether the token is the likeliest after mixing.
        right_alone: whether it is the model's likeliest.
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
class _TeacherForcingPrior:
    """Prior that forces the tokens that were written, and observes each."""

    file: str
    truth: Sequence[int]
    end: int
    memory: MemoryPrior | None
    observations: list[TokenObservation] = field(default_factory=list)

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        at = len(generated)
        follows_truth = at < len(self.truth) and list(generated) == list(self.truth[:at])
        if follows_truth and at == len(self.observations):
            self.observations.append(self._observe(generated, logits))
        scores = np.full_like(logits, UNLIKELY)
        scores[self.truth[at] if follows_truth else self.end] = 0
        return scores

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        return self.truth[len(generated) : len(generated) + most]

    def _observe(self, generated: Sequence[int], logits: NDArray[np.float32]) -> TokenObservation:
        truth = int(self.truth[len(generated)])
        logprobs = logits - np.logaddexp.reduce(logits.astype(np.float64))
        votes = self.memory.evidence(generated).votes if self.memory else None
        mixed = self.memory.mix(generated, logits) if self.memory else logprobs
        return TokenObservation(
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
class _TeacherForcingMemory:
    """Memory that puts a teacher-forcing prior before each answer.

    Attributes:
        engine: the open model.
        memories: memories of the repositories.
        rest: the text that was written after the cursor.
        cursor: the cursor's offset.
        last_prior: the prior of the last answer; None if none was requested.
    """

    engine: Engine
    memories: ReplayMemory
    rest: str = ""
    cursor: int = 0
    last_prior: _TeacherForcingPrior | None = None

    def prior(self, source: SourceFile, text: str, offset: int) -> Prior | None:
        tokenizer = self.engine.tokenizer
        truth = tokenizer.encode(text[offset : self.cursor] + self.rest)
        memory = self.memories.prior(source, text, offset)
        self.last_prior = _TeacherForcingPrior(source.name, truth, tokenizer.special.eom, memory)
        return self.last_prior


def observe_tokens(
    engine: Engine,
    memories: ReplayMemory,
    positions: Sequence[Position],
    editor: Callable[..., HeadlessEditor] = HeadlessEditor,
) -> list[TokenObservation]:
    """Observe tokens at positions of real files; some kinds of position have nothing to observe.

    Args:
        engine: the open model.
        memories: memories of the repositories.
        positions: positions to complete at.
        editor: makes an editor from the engine and its memories.
    """
    found: list[TokenObservation] = []
    forcing = _TeacherForcingMemory(engine, memories)
    forcing_editor = editor(engine, memories=forcing)
    for position in positions:
        passage = position.passage
        if not passage.target.startswith(passage.left):
            continue
        text, offset = position.get_place()
        forcing.cursor, forcing.rest = offset, passage.target[len(passage.left) :] + "\n"
        forcing.last_prior = None
        forcing_editor.ask(position.source, text, offset)
        forcing_editor.close(position.source)
        if forcing.last_prior is not None:
            found += forcing.last_prior.observations
    return found


def make_examples(observations: Sequence[TokenObservation]) -> Examples:
    """Convert observations to the examples that the fit takes."""
    names = {
        name: number for number, name in enumerate(sorted({observation.file for observation in observations}))
    }

    def padded(values: Callable[[Votes], NDArray[Any]], dtype: type) -> NDArray[Any]:
        table: NDArray[Any] = np.zeros((len(observations), MAX_VOTES), dtype)
        for row, observation in zip(table, observations, strict=True):
            if observation.votes is not None:
                row[: len(observation.votes.tokens)] = values(observation.votes)
        return table

    logprobs = np.zeros((len(observations), MAX_VOTES))
    for row, observation in zip(logprobs, observations, strict=True):
        row[: len(observation.token_logprobs)] = observation.token_logprobs
    return Examples(
        tokens=padded(lambda votes: votes.tokens, np.int64),
        lengths=padded(lambda votes: votes.lengths, np.int64),
        sources=padded(lambda votes: votes.sources, np.int64),
        logprobs=logprobs,
        many=padded(lambda votes: votes.crowd[0][votes.lengths], np.float64),
        kinds=padded(lambda votes: votes.crowd[1][votes.lengths], np.float64),
        truth=np.array([observation.truth for observation in observations], np.int64),
        truth_logprob=np.array([observation.truth_logprob for observation in observations]),
        entropy=np.array([observation.entropy for observation in observations]),
        likeliest=np.array([observation.likeliest for observation in observations]),
        file=np.array([names[observation.file] for observation in observations], np.int64),
    )


def summarize(observations: Sequence[TokenObservation]) -> dict[str, Any]:
    """Return next-token accuracy and bits per token, with memory and of the model alone, each with its interval."""
    files = [observation.file for observation in observations]
    ones = [1.0] * len(observations)
    shares = {
        "next_token_accuracy": [float(observation.right) for observation in observations],
        "next_token_accuracy_of_the_model": [float(observation.right_alone) for observation in observations],
        "bits_per_token": [observation.bits for observation in observations],
        "bits_per_token_of_the_model": [
            float(-observation.truth_logprob / np.log(2)) for observation in observations
        ],
    }
    found: dict[str, Any] = {"tokens": len(observations)}
    for name, values in shares.items():
        low, high = bootstrap_interval(files, values, ones)
        found[name] = {"mean": round(float(np.mean(values)), 4), "spread": [round(low, 4), round(high, 4)]}
    return found
