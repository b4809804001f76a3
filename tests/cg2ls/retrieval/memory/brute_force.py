"""Reference results for memory, by a search over every entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from cg2ls.retrieval.memory.suffix_segment import DEPTH
from cg2ls.retrieval.memory.vote_mixture import FARTHER, GAPS, INSTALLED, LENGTHS, WORKSPACE, Mixture

Match = tuple[int, int]
"""Tokens in common, and the token that followed."""


def matches(
    files: Sequence[Sequence[int]], context: Sequence[int], separator: int, hidden: Collection[int] = ()
) -> Counter[Match]:
    """Every entry of the files, by how long it matches a context and what followed.

    Args:
        files: tokens.
        context: tokens before the predicted one; the separator stands for a document's start.
        separator: the token before every file.
        hidden: entries of the last file that do not count.
    """
    found: Counter[Match] = Counter()
    for number, tokens in enumerate(files):
        whole = [separator, *tokens]
        for entry, token in enumerate(tokens):
            if number == len(files) - 1 and entry in hidden:
                continue
            found[_common(whole[: entry + 1], context), token] += 1
    return found


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    most = min(len(one), len(other), DEPTH)
    return next((n for n in range(most) if one[-1 - n] != other[-1 - n]), most)


Vote = tuple[int, int, int]
"""A token, how many tokens its context shares with the current context, and its source."""


def mixed(mixture: Mixture, votes: Sequence[Vote], logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mixture's probabilities by the formula of docs/design/memory.md, vote by vote."""
    alone = np.exp(logits.astype(np.float64) - np.logaddexp.reduce(logits.astype(np.float64)))
    if not votes:
        return alone
    longest = max(length for _, length, _ in votes)
    logprobs = np.log(np.maximum(alone, 1e-300))
    model, likeliest, entropy = mixture.model, float(alone.max()), -float((alone * logprobs).sum())
    own = np.exp(model[0] + model[1] * entropy + model[2] * likeliest + mixture.match[LENGTHS[longest]])
    said = own * alone
    for token, length, source in votes:
        as_long = [vote for vote in votes if vote[1] >= length]
        of_class = LENGTHS[length]
        near = mixture.near[min(source, WORKSPACE), of_class] - (FARTHER if source == INSTALLED else 0)
        said[token] += np.exp(
            near
            + mixture.gap[min(longest - length, GAPS - 1)]
            + mixture.agree[of_class] * (max(logprobs[token], -12) + 4)
            - mixture.many[0] * np.log(len(as_long))
            - mixture.spread[of_class] * np.log(len({vote[0] for vote in as_long}))
        )
    return said / said.sum()
