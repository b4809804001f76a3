"""Explain a prediction: which files voted for which token, and how strongly."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.request import Request
from cg2ls.workspace.paths import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine import Engine
    from cg2ls.retrieval.memory import Memory
    from cg2ls.retrieval.memory.prior import MemoryPrior

MAX_TOKENS = 8
MAX_FILES = 4
"""Tokens shown, and files shown for each."""


class _RecordingPrior:
    """A prior that passes one call on and records its arguments."""

    def __init__(self, prior: MemoryPrior) -> None:
        self.prior = prior
        self.logits: NDArray[np.float32] | None = None
        self.mixed: NDArray[np.float32] | None = None

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        mixed = self.prior.mix(generated, logits)
        if self.logits is None:
            self.logits, self.mixed = logits.copy(), mixed
        return mixed

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        return self.prior.draft(generated, most)


def explain(
    engine: Engine, memory: Memory, file: Path, text: str, offset: int, forced: str
) -> list[dict[str, Any]]:
    r"""Return the most probable next tokens with the files that voted for them.

    The model reads as much of the text before the place as fits.

    Args:
        engine: the open model.
        memory: memory of the workspace.
        file: the document.
        text: text of the document, with `\n` line ends.
        offset: offset of the place.
        forced: the part of the word that is already typed.
    """
    end = offset - len(forced)
    path = Path(Place(file).real)
    prior = memory.prior(memory.workspace.name_of(path) or str(path), text, end)
    if prior is None:
        return []
    recorder = _RecordingPrior(prior)
    prompt = engine.tokenizer.encode(text[:end])[-(engine.context_length // 2) :]
    prompt = prompt or [engine.tokenizer.special.end_of_text]
    request = Request(prompt=prompt, forced=forced.encode(), max_tokens=1, prior=recorder)
    for _ in engine.complete(request):
        pass
    if recorder.logits is None or recorder.mixed is None:
        return []
    return _rows(engine, prior, recorder.logits, recorder.mixed, forced.encode())


def _rows(
    engine: Engine,
    prior: MemoryPrior,
    logits: NDArray[np.float32],
    mixed: NDArray[np.float32],
    forced: bytes,
) -> list[dict[str, Any]]:
    alone = logits - np.logaddexp.reduce(logits.astype(np.float64))
    evidence = prior.evidence(())
    votes = evidence.votes
    weights = np.zeros(0)
    if len(votes.tokens):
        entropy = float(-(np.exp(alone) * alone).sum())
        weights, _ = prior.mixture.weights(votes, alone[votes.tokens], entropy, float(np.exp(alone.max())))
    spelled = engine.tokenizer.token_bytes
    fits = [t for t in np.argsort(-mixed).tolist() if not forced or _agrees(spelled[t], forced)]
    rows = []
    for token in fits[:MAX_TOKENS]:
        of_token = np.flatnonzero(votes.tokens == token)
        by_file: dict[str, float] = defaultdict(float)
        for vote in of_token.tolist():
            part = prior.parts[int(evidence.parts[vote])]
            by_file[part.file_name(int(evidence.files[vote]))] += float(weights[vote])
        total = sum(by_file.values())
        strongest = sorted(by_file.items(), key=lambda pair: -pair[1])[:MAX_FILES]
        rows.append(
            {
                "token": engine.tokenizer.decode([token]),
                "probability": round(float(np.exp(mixed[token])), 4),
                "model": round(float(np.exp(alone[token])), 4),
                "votes": len(of_token),
                "longest": int(votes.lengths[of_token].max()) if len(of_token) else 0,
                "files": {name: round(weight / total, 3) for name, weight in strongest},
            }
        )
    return rows


def _agrees(data: bytes, forced: bytes) -> bool:
    return bool(data) and (data.startswith(forced) or forced.startswith(data))
