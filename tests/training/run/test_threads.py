"""A busy machine gets fewer threads, and the line that says so tells how to choose."""

from __future__ import annotations

import pytest

from cg2_training.run.threads import choose_threads


@pytest.mark.parametrize(
    ("cores", "load", "threads"),
    [(8, 0.2, 8), (8, 3.4, 5), (8, 30.0, 1), (2, 1.2, 1), (2, 0.3, 2), (1, 9.0, 1)],
)
def test_threads_are_as_many_as_idle_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, load: float, threads: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("cg2_training.run.threads.PROCESSORS", cores)
    monkeypatch.setattr("cg2_training.run.threads._load", lambda: load)
    chosen = choose_threads(0, 0)
    assert chosen.count == threads
    assert f"{cores} cores, a load of {load:.1f}" in str(chosen)
    assert ("run.threads" in str(chosen)) == (threads < cores)


def test_what_was_said_counts_more_than_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cg2_training.run.threads.PROCESSORS", 4)
    monkeypatch.setattr("cg2_training.run.threads._load", lambda: 100.0)
    assert str(choose_threads(3, 2)) == "3 threads: run.threads"
    assert choose_threads(0, 2).count == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert choose_threads(0, 0).count == 4
