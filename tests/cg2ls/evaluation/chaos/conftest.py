"""A place to harm, and a server that does one thing wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cg2ls.evaluation.chaos.result import Chaos
from cg2ls.evaluation.chaos.run import chaos
from cg2ls.evaluation.chaos.sandbox import Surroundings
from cg2ls.evaluation.simulation.sources import Source

Play = Callable[..., Chaos]


@pytest.fixture
def place(tmp_path: Path, shop: Source) -> Surroundings:
    """With a model that nobody opens."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given/model.onnx").write_bytes(b"weights")
    (tmp_path / "run").mkdir()
    return Surroundings(tmp_path / "run", tmp_path / "given", [shop])


@pytest.fixture
def play(place: Surroundings, shop: Source) -> Play:
    """Types at the fake server."""

    def played(
        fault: str, *, when: int = 40, keys: int = 300, seed: int = 0, patience: float = 300.0
    ) -> Chaos:
        command = [sys.executable, str(Path(__file__).with_name("fake_server.py")), fault, str(when)]
        return chaos(place, [shop], keys, seed=seed, command=command, patience=patience)

    return played
