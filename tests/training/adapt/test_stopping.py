"""The best weights are kept, and a run that no longer improves ends."""

from __future__ import annotations

from cg2_training.adapt.stopping import PATIENCE, EarlyStopping
from cg2_training.evaluate.losses import Evaluation


def evaluation(nats: float) -> Evaluation:
    return Evaluation(bits_per_byte=1.0, causal_nats=nats, infill_nats=nats, rows=1)


def run(scores: list[float]) -> tuple[EarlyStopping, list[int], int]:
    kept: list[int] = []
    stopping = EarlyStopping(best=3.0, on_best=lambda: kept.append(stopping.best_step))
    for step, score in enumerate(scores, start=1):
        if not stopping(step, evaluation(score)):
            return stopping, kept, step
    return stopping, kept, len(scores)


def test_each_new_best_is_kept() -> None:
    stopping, kept, _ = run([2.9, 2.95, 2.8, 2.85])
    assert kept == [1, 3]
    assert (stopping.best_step, stopping.best) == (3, 2.8)


def test_it_ends_after_a_few_failures_in_a_row() -> None:
    _, kept, ended = run([2.9, 2.95, 2.9, 2.91, 2.0])
    assert ended == 1 + PATIENCE
    assert kept == [1]


def test_weights_no_better_than_those_before_are_never_kept() -> None:
    stopping, kept, ended = run([3.0, 3.1, 3.2])
    assert (kept, ended, stopping.best_step) == ([], PATIENCE, 0)


def test_a_resumed_run_replays_its_log() -> None:
    entries = [
        {"step": step, "loss": 1.0, "heldout": vars(evaluation(score))}
        for step, score in [(2, 2.9), (4, 2.95), (6, 2.5), (8, 2.6)]
    ]
    kept: list[int] = []
    stopping = EarlyStopping(best=3.0, on_best=lambda: kept.append(1))
    stopping.replay_log([{"step": 1, "loss": 1.0}, *entries], done=4)
    assert (stopping.best, stopping.best_step, stopping.failures) == (2.9, 2, 1)
    assert not kept, "the weights of that step are there already"
