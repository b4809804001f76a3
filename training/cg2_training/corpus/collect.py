"""Build a corpus from a collection of sources or from a manifest of pinned packages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cg2_training.corpus.collection import Collection
from cg2_training.corpus.manifest import load_manifest, pinned_collection
from cg2_training.corpus.packages import fetch_packages
from cg2_training.corpus.report import REPORT
from cg2_training.corpus.rules.benchmarks import read_benchmark
from cg2_training.corpus.work import prepare_work_folder
from cg2_training.errors import CorpusError
from cg2ls.files import check_replaceable

TASKS_PER_WORKER = 4
"""An interrupted run repeats only unfinished tasks, so smaller tasks lose less work."""


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
    """Read, clean and deduplicate the sources of a collection; continue an interrupted run.

    Args:
        collection: sources to read.
        out: the corpus folder, see `finish`.
        executor: "local", "slurm" or "ray".
        workers: tasks at a time; as many as there are processors by default.
        tasks: number of tasks that share reading and cleaning; the corpus is the same for any number.
        options: arguments of datatrove's executor for a cluster.
        progress: whether to draw bars.

    Returns:
        The content of `corpus.json`; None if a cluster still works on it.

    Raises:
        CorpusError: a source is missing or damaged, or no documents are left to train on.
        OutputError: `out` contains something other than a corpus.
    """
    try:
        from cg2_training.corpus import executors
        from cg2_training.corpus.pipeline import CleanDocuments, Finish, ReadSources, WriteDocuments
    except ModuleNotFoundError as error:
        raise CorpusError(
            f"collecting a corpus needs the package {error.name}; install it with: pip install datatrove"
            " detect-secrets pyarrow zstandard"
        ) from None
    if collection.layout != "splits":
        check_replaceable(out, REPORT)
    for path in collection.benchmarks:
        for _ in read_benchmark(path):
            break
    workers = workers or os.cpu_count() or 1
    tasks = tasks or workers * TASKS_PER_WORKER
    out, here = out.absolute(), executor == "local"
    try:
        work = prepare_work_folder(out.with_name(f".{out.name}.work"), collection, tasks)
        stages = [
            executors.Stage(
                "clean",
                [
                    ReadSources(collection, work),
                    CleanDocuments(collection, work),
                    WriteDocuments(collection, work),
                ],
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


def build_corpus(
    manifest_path: Path, out: Path, *, cache: Path | None = None, workers: int = 0, progress: bool = True
) -> dict[str, Any]:
    """Fetch the packages that a manifest pins and collect their documents.

    Args:
        manifest_path: the TOML manifest.
        out: the folder for `train.jsonl`, `heldout.jsonl` and `corpus.json`; made when missing. With documentation
            these are in the folders `code` and `text`.
        cache: the folder to keep packages in, `cache` next to `out` by default.
        workers: tasks at a time; as many as there are processors by default.
        progress: whether to draw bars.

    Returns:
        The content of `corpus.json`.

    Raises:
        CorpusError: the manifest, a package or a licence is refused, or a package cannot be fetched.
    """
    manifest = load_manifest(manifest_path)
    with tqdm(total=len(manifest.packages), desc="fetch", unit="package", disable=not progress) as bar:
        files = fetch_packages(
            manifest.packages, cache or out.absolute().parent / "cache", lambda: bar.update()
        )
    collection = pinned_collection(manifest, files, manifest_path.name)
    report = collect(collection, out, workers=workers, progress=progress)
    assert report is not None, "only a run on a cluster returns before it ends"
    return report
