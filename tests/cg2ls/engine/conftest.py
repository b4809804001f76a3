"""An open tiny model, and the uncached answers that cached ones are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from cg2ls.engine import Engine, EngineOptions, Request, Step

if TYPE_CHECKING:
    from pathlib import Path

Uncached = Callable[[Request], list[Step]]


@pytest.fixture
def engine(tiny_model: Path) -> Iterator[Engine]:
    with Engine.open(tiny_model, threads=1) as opened:
        yield opened


@pytest.fixture(scope="session")
def uncached(tiny_model: Path) -> Uncached:
    """Answers a request with nothing in the cache and without drafts."""
    reference = Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=1, drafts=False))

    def answer(request: Request) -> list[Step]:
        other = (request.prompt[0] + 1) % reference.model.architecture.vocab_size
        for _ in reference.complete(Request(prompt=[other], max_tokens=1)):
            pass
        steps = list(reference.complete(request))
        assert reference.last.reused_tokens == 0
        return steps

    return answer


@pytest.fixture(scope="session")
def words(tiny_model: Path) -> Callable[[int], list[int]]:
    """A prompt of this many tokens."""
    with Engine.open(tiny_model, threads=1) as opened:
        tokens = opened.tokenizer.encode("def area(width, height):\n    return width * height\n\n" * 200)

    def prompt(count: int) -> list[int]:
        return tokens[:count]

    return prompt
