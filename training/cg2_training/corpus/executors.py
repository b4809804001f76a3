"""Run the pipeline's stages on this machine, Slurm or Ray, with datatrove's executors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger
from tqdm import tqdm

from cg2_training.corpus.pipeline import QUIET_TASKS_VARIABLE
from cg2_training.corpus.work import WorkFolder
from cg2_training.errors import CorpusError

PROGRESS_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Stage:
    """Steps that `tasks` tasks run in parallel, after the previous stage."""

    name: str
    steps: Sequence[PipelineStep]
    tasks: int


def run_local(stages: Sequence[Stage], work: WorkFolder, workers: int, *, progress: bool) -> None:
    """Run the stages on this machine, except tasks that an interrupted run has finished."""
    os.environ[QUIET_TASKS_VARIABLE] = "1"
    logger.disable("datatrove")
    try:
        for stage in stages:
            executor = LocalPipelineExecutor(
                list(stage.steps),
                tasks=stage.tasks,
                workers=min(workers, stage.tasks),
                logging_dir=str(work.log_folder(stage.name)),
            )
            with _progress_bar(work, stage, is_shown=progress and stage.tasks > 1):
                executor.run()
    finally:
        del os.environ[QUIET_TASKS_VARIABLE]
        logger.enable("datatrove")


def run_slurm(stages: Sequence[Stage], work: WorkFolder, workers: int, options: Mapping[str, str]) -> None:
    """Submit the stages to Slurm as array jobs, each waiting for the previous one.

    Args:
        stages: stages in their order.
        work: folder on a file system that all nodes share.
        workers: maximum of tasks that run at the same time; -1 for no limit.
        options: arguments of datatrove's executor, which must include `time` and `partition`.

    Raises:
        CorpusError: an option is missing or unknown.
    """
    missing = [name for name in ("time", "partition") if name not in options]
    if missing:
        raise CorpusError(f"Slurm needs {missing[0]}; give it as --option {missing[0]}=VALUE.")
    try:
        last = _make_chain(
            lambda stage, **arguments: SlurmPipelineExecutor(
                **arguments, job_name=f"cg2-{stage.name}", **options
            ),
            stages,
            work,
            workers,
        )
    except TypeError as error:
        raise CorpusError(f"datatrove's Slurm executor refuses an option: {error}.") from None
    last.run()


def run_ray(stages: Sequence[Stage], work: WorkFolder, workers: int, options: Mapping[str, str]) -> None:
    """Run the stages on the Ray cluster that this machine is connected to.

    Raises:
        CorpusError: Ray is not installed, or an option is unknown.
    """
    try:
        _make_chain(
            lambda _, **arguments: RayPipelineExecutor(**arguments, **options), stages, work, workers
        ).run()
    except (ImportError, ValueError) as error:
        raise CorpusError(
            f"Ray cannot be used ({error}); install it with: pip install 'ray[default]'"
        ) from None
    except TypeError as error:
        raise CorpusError(f"datatrove's Ray executor refuses an option: {error}.") from None


def _make_chain(
    make_executor: Callable[..., PipelineExecutor], stages: Sequence[Stage], work: WorkFolder, workers: int
) -> PipelineExecutor:
    """Return the executor of the last stage; it runs the previous stages first."""
    previous: PipelineExecutor | None = None
    for stage in stages:
        previous = make_executor(
            stage,
            pipeline=list(stage.steps),
            tasks=stage.tasks,
            workers=workers,
            logging_dir=str(work.log_folder(stage.name)),
            depends=previous,
        )
    assert previous
    return previous


@contextmanager
def _progress_bar(work: WorkFolder, stage: Stage, *, is_shown: bool) -> Iterator[None]:
    """Draw a bar for the finished part of a stage, with the remaining time."""
    ended = threading.Event()

    def finished_part() -> float:
        parts = 0.0
        for rank in range(stage.tasks):
            path = work.progress_path(rank)
            try:
                parts += float(path.read_text() or 0) if path.exists() else 0.0
            except ValueError:
                continue
        return parts / stage.tasks

    def draw() -> None:
        shape = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        with tqdm(total=1.0, desc=stage.name, bar_format=shape) as bar:
            while not ended.wait(PROGRESS_POLL_SECONDS):
                bar.update(max(0.0, finished_part() - bar.n))
            bar.update(max(0.0, finished_part() - bar.n))

    thread = threading.Thread(target=draw, daemon=True)
    if is_shown:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if is_shown:
            thread.join()
