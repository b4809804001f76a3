"""From folders, repositories, archives and dumps to a corpus, by datatrove's executors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cg2_training.corpus.collection import Collection
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.finish import REPORT
from cg2_training.corpus.rules.benchmarks import benchmark_texts
from cg2_training.corpus.work import prepared
from cg2ls.files import check_replaceable

TASKS_PER_WORKER = 4
"""Tasks are what is not done again after an interruption."""


def collect(
    collection: Collection,
    out: Path,
    *,
    executor: str = "local",
    workers: int = 0,
    tasks: int = 0,
    options: Mapping[str, str] | None = None,
    progress: bool = True,
) -> dict[str, Any] | None:
    """Reads, cleans and deduplicates the sources of a collection; the same command goes on where one stopped.

    Args:
        collection: what to read.
        out: the corpus folder, see `finish`.
        executor: "local", "slurm" or "ray".
        workers: tasks at a time; as many as there are processors by default.
        tasks: among which reading and cleaning is divided; the corpus is the same for any number.
        options: arguments of datatrove's executor for a cluster.
        progress: whether to draw bars.

    Returns:
        What ``corpus.json`` says; None where a cluster works on it still.

    Raises:
        CorpusError: a source is missing or damaged, or nothing is left to train on.
        OutputError: `out` holds something that is no corpus.
    """
    try:
        from cg2_training.corpus import executors
        from cg2_training.corpus.pipeline import CleanDocuments, Finish, ReadSources, WriteShare
    except ModuleNotFoundError as missing:
        raise CorpusError(
            f"collecting a corpus needs the package {missing.name}; install it with: pip install datatrove"
            " detect-secrets pyarrow zstandard"
        ) from None
    check_replaceable(out, REPORT)
    for path in collection.benchmarks:
        for _ in benchmark_texts(path):
            break
    workers = workers or os.cpu_count() or 1
    tasks = tasks or workers * TASKS_PER_WORKER
    out, here = out.absolute(), executor == "local"
    try:
        work = prepared(out.with_name(f".{out.name}.work"), collection, tasks)
        stages = [
            executors.Stage(
                "clean",
                [ReadSources(collection, work), CleanDocuments(collection, work), WriteShare(work)],
                tasks,
            ),
            executors.Stage(
                "finish", [Finish(collection, work, out, workers if here else 0, progress and here)], 1
            ),
        ]
        if executor == "slurm":
            executors.run_slurm(stages, work, workers, options or {})
            return None
        if executor == "ray":
            executors.run_ray(stages, work, workers, options or {})
        else:
            executors.run_local(stages, work, workers, progress=progress)
    except OSError as error:
        raise CorpusError(
            f"cannot write the corpus to {out} ({error.strerror or error}); make room and run the same command again."
        ) from error
    report: dict[str, Any] = json.loads((out / REPORT).read_text(encoding="utf-8"))
    shutil.rmtree(work.folder)
    return report
