"""Drawing from repositories in turns, and from each one's files in an order of the seed's."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from cg2ls.evaluation.quality.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cg2ls.evaluation.quality.sources import Source

T = TypeVar("T")

TRIES = 30
"""Draws from one file before the next one's turn."""


def in_turns(
    sources: Sequence[Source],
    count: int,
    seed: str,
    draw: Callable[[Source, random.Random], Callable[[], T | None]],
) -> list[T]:
    """So many samples, as many from each repository; what one gives depends on its own files alone.

    Args:
        sources: the files.
        count: samples.
        seed: of the order and the draws.
        draw: for a file whose turn it is, what draws one sample of it; None if that draw found none.

    Raises:
        ReplayError: no file gave any.
    """
    repositories: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        repositories[source.repository].append(source)
    streams = [_stream(files, f"{seed} {name}", draw) for name, files in repositories.items()]
    found: list[T] = []
    while streams and len(found) < count:
        for stream in list(streams):
            sample = next(stream, None)
            if sample is None:
                streams.remove(stream)
            elif len(found) < count:
                found.append(sample)
    if not found:
        raise ReplayError("No file has a line to complete; name files with code.")
    return found


def _stream(
    files: Sequence[Source], seed: str, draw: Callable[[Source, random.Random], Callable[[], T | None]]
) -> Iterator[T]:
    """One repository's samples without end, as long as its files have any."""
    chance = random.Random(seed)
    order = list(files)
    fruitful = True
    while fruitful:
        chance.shuffle(order)
        fruitful = False
        for source in order:
            once = draw(source, chance)
            found = next((sample for _ in range(TRIES) if (sample := once()) is not None), None)
            if found is not None:
                fruitful = True
                yield found
