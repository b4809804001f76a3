"""A sandbox for faults, and a server with one fault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cg2ls.evaluation.chaos.result import ChaosResult
from cg2ls.evaluation.chaos.run import run_chaos
from cg2ls.evaluation.chaos.sandbox import Sandbox
from cg2ls.evaluation.simulation.sources import SourceFile

Play = Callable[..., ChaosResult]


@pytest.fixture
def place(tmp_path: Path, shop: SourceFile) -> Sandbox:
    """A sandbox with a model that is never opened."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given/model.onnx").write_bytes(b"weights")
    (tmp_path / "run").mkdir()
    return Sandbox(tmp_path / "run", tmp_path / "given", [shop])


@pytest.fixture
def play(place: Sandbox, shop: SourceFile) -> Play:
    """Runs simulated typing against the fake server."""

    def played(
        fault: str, *, when: int = 40, keys: int = 300, seed: int = 0, patience_s: float = 300.0
    ) -> ChaosResult:
        command = [sys.executable, str(Path(__file__).with_name("fake_server.py")), fault, str(when)]
        return run_chaos(place, [shop], keys, seed=seed, command=command, patience_s=patience_s)

    return played
