"""The engine's interface to memory: one request's votes, and drafts from the longest match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.request import Support
from cg2ls.retrieval.memory.evidence import Evidence, gather
from cg2ls.retrieval.memory.suffix_segment import DEPTH, stored_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.retrieval.memory.evidence import Part
    from cg2ls.retrieval.memory.suffix_segment import Tokens
    from cg2ls.retrieval.memory.vote_mixture import Mixture

MIN_MATCH_TOKENS = 3
"""A draft continues a match of at least this many tokens, and is at most as long as the match. Longer matches usually
continue for longer (prompt lookup, Saxena 2023)."""


class MemoryPrior:
    """One request's view of memory; implements `cg2ls.engine.request.Prior`.

    Args:
        parts: where to look.
        left: tokens of the document before the answer; the last DEPTH count.
        mixture: weights of the votes.
    """

    def __init__(self, parts: Sequence[Part], left: Tokens, mixture: Mixture) -> None:
        self.parts = parts
        self._token = stored_type(left.dtype)
        self._left = left[-DEPTH:][::-1].astype(self._token).tobytes()
        self.mixture = mixture
        self._found: dict[tuple[int, ...], Evidence] = {}

    def mix(self, generated: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix the votes into the next token's log-probabilities; see `Mixture.mix`."""
        return self.mixture.mix(self.evidence(generated).votes, logits)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        """Return the continuation of the longest match, the nearest of the longest first."""
        evidence = self.evidence(generated)
        lengths = np.where(evidence.places >= 0, evidence.votes.lengths, 0)
        if not len(lengths) or lengths.max() < MIN_MATCH_TOKENS:
            return ()
        longest = np.flatnonzero(lengths == lengths.max())
        best = int(longest[evidence.votes.sources[longest].argmin()])
        part = self.parts[int(evidence.parts[best])]
        return part.forward(int(evidence.places[best]), min(most, int(lengths[best])))

    def support(self, generated: Sequence[int], token: int) -> Support:
        """Return the lengths and the number of matches that speak for a token."""
        votes = self.evidence(generated).votes
        agreeing = votes.lengths[votes.tokens == token]
        return Support(
            longest=int(votes.lengths.max(initial=0)),
            agreeing=int(agreeing.max(initial=0)),
            votes=len(agreeing),
        )

    def evidence(self, generated: Sequence[int]) -> Evidence:
        """Search for the votes after these tokens, once."""
        key = tuple(generated[-DEPTH:])
        known = self._found.get(key)
        if known is None:
            context = (np.array(key[::-1], self._token).tobytes() + self._left)[
                : DEPTH * self._token.itemsize
            ]
            known = self._found[key] = gather(self.parts, context)
        return known
