"""Where the pipeline's stages run: this machine, a Slurm cluster, or Ray, by datatrove's executors."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger
from tqdm import tqdm

from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.pipeline import QUIET
from cg2_training.corpus.work import Work

EXECUTORS = ("local", "slurm", "ray")
LOOK = 0.5
"""Seconds between two looks at how far the tasks are."""


@dataclass(frozen=True)
class Stage:
    """Steps that `tasks` tasks run side by side, after the stage before."""

    name: str
    steps: Sequence[PipelineStep]
    tasks: int


def run_local(stages: Sequence[Stage], work: Work, workers: int, *, progress: bool) -> None:
    """Runs the stages on this machine; tasks that an interrupted run finished are not run again."""
    os.environ[QUIET] = "1"
    logger.disable("datatrove")
    try:
        for stage in stages:
            executor = LocalPipelineExecutor(
                list(stage.steps),
                tasks=stage.tasks,
                workers=min(workers, stage.tasks),
                logging_dir=str(work.logs(stage.name)),
            )
            with _watching(work, stage, shown=progress and stage.tasks > 1):
                executor.run()
    finally:
        del os.environ[QUIET]
        logger.enable("datatrove")


def run_slurm(stages: Sequence[Stage], work: Work, workers: int, options: Mapping[str, str]) -> None:
    """Hands the stages to Slurm as array jobs, each waiting for the one before.

    Args:
        stages: in their order.
        work: a folder that every node sees.
        workers: tasks that run at a time; -1 for as many as the cluster gives.
        options: arguments of datatrove's executor; `time` and `partition` must be among them.

    Raises:
        CorpusError: an option is missing or unknown.
    """
    missing = [name for name in ("time", "partition") if name not in options]
    if missing:
        raise CorpusError(f"Slurm needs {missing[0]}; give it as --option {missing[0]}=VALUE.")
    before: SlurmPipelineExecutor | None = None
    try:
        for stage in stages:
            before = SlurmPipelineExecutor(
                list(stage.steps),
                tasks=stage.tasks,
                workers=workers,
                job_name=f"cg2-{stage.name}",
                logging_dir=str(work.logs(stage.name)),
                depends=before,
                **options,
            )
    except TypeError as error:
        raise CorpusError(f"datatrove's Slurm executor does not take an option: {error}.") from None
    assert before
    before.run()


def run_ray(stages: Sequence[Stage], work: Work, workers: int, options: Mapping[str, str]) -> None:
    """Runs the stages on the Ray cluster that this machine is connected to.

    Raises:
        CorpusError: Ray is not installed, or an option is unknown.
    """
    before: RayPipelineExecutor | None = None
    try:
        for stage in stages:
            before = RayPipelineExecutor(
                list(stage.steps),
                tasks=stage.tasks,
                workers=workers,
                logging_dir=str(work.logs(stage.name)),
                depends=before,
                **options,
            )
        assert before
        before.run()
    except (ImportError, ValueError) as error:
        raise CorpusError(
            f"Ray cannot be used ({error}); install it with: pip install 'ray[default]'"
        ) from None
    except TypeError as error:
        raise CorpusError(f"datatrove's Ray executor does not take an option: {error}.") from None


@contextmanager
def _watching(work: Work, stage: Stage, *, shown: bool) -> Iterator[None]:
    """A bar for what the stage's tasks have done, with the time that is left."""
    ended = threading.Event()

    def done() -> float:
        parts = 0.0
        for rank in range(stage.tasks):
            path = work.progress(rank)
            try:
                parts += float(path.read_text() or 0) if path.exists() else 0.0
            except ValueError:
                continue
        return parts / stage.tasks

    def draw() -> None:
        shape = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        with tqdm(total=1.0, desc=stage.name, bar_format=shape) as bar:
            while not ended.wait(LOOK):
                bar.update(max(0.0, done() - bar.n))
            bar.update(max(0.0, done() - bar.n))

    thread = threading.Thread(target=draw, daemon=True)
    if shown:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if shown:
            thread.join()
