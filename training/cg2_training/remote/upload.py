"""Uploads of a session: weights in bfloat16 and a report, in files small enough to send.

Weights are not compressed: compression saves a quarter of the bytes and takes tens of seconds on the remote machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from cg2_training.errors import TrainingError
from cg2_training.export import export_checkpoint
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import RUN_FILE, write_run
from cg2ls.files import replacing_folder, sha256_of, write_atomically
from cg2ls.models.codegen2 import CodeTokenizer

MAX_FILE_BYTES = 15_500_000
MAX_FILES = 8
MAX_PORTION_BYTES = 58_000_000
"""Maximum size of one portion, a little below the size that can be sent at a time."""

REPORT_FILE = "report.json"


def write_upload(
    out: Path,
    weights: dict[str, Tensor],
    report: dict[str, Any],
    extra: dict[str, bytes],
    *,
    portion: int = 0,
) -> list[str]:
    """Write one portion of a session's results.

    The first portion has the report and as much of the weights as fits; later portions have the rest. The small files
    in `extra` come last.

    Args:
        out: an empty folder.
        weights: parameters by name.
        report: content of report.json, to which the names and digests of the files are added.
        extra: other files by name.
        portion: number of the portion to write, from 0.

    Returns:
        Names of the files of this portion; empty if there is no such portion.
    """
    packed = save({name: tensor.bfloat16().cpu().contiguous() for name, tensor in weights.items()})
    parts = [packed[start : start + MAX_FILE_BYTES] for start in range(0, len(packed), MAX_FILE_BYTES)]
    files = {f"weights-{number:02d}": part for number, part in enumerate(parts)} | extra
    portions = _split_into_portions(files)
    if portion >= len(portions):
        return []
    out.mkdir(parents=True, exist_ok=True)
    for name in portions[portion]:
        (out / name).write_bytes(files[name])
    index = {"weights": [name for name in files if name.startswith("weights-")], "portions": len(portions)}
    digests = {name: sha256_of(out / name) for name in portions[portion]}
    write_atomically(
        out / (REPORT_FILE if not portion else f"report-{portion}.json"),
        json.dumps(report | index | {"sha256": digests}, indent=1),
    )
    return portions[portion]


def _split_into_portions(files: dict[str, bytes]) -> list[list[str]]:
    portions: list[list[str]] = []
    size = 0
    for name, data in files.items():
        if not portions or len(portions[-1]) == MAX_FILES - 1 or size + len(data) > MAX_PORTION_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(name)
        size += len(data)
    return portions


def collect_uploads(folders: Sequence[Path], tokenizer: CodeTokenizer, run: Path) -> dict[str, Any]:
    """Make a run's folder from uploaded portions: checkpoint/, run.json and all other files.

    Args:
        folders: folders of the portions, in any order.
        tokenizer: the packed tokenizer.
        run: folder to write.

    Returns:
        The report of the session.

    Raises:
        TrainingError: a file is missing or damaged.
        OutputError: `run` exists and is not a run.
    """
    uploads = {path.name: path for folder in folders for path in folder.iterdir()}
    if REPORT_FILE not in uploads:
        raise TrainingError(
            f"none of the folders contains {REPORT_FILE}; name the folder of the first portion too."
        )
    report: dict[str, Any] = json.loads(uploads[REPORT_FILE].read_text(encoding="utf-8"))
    for name, path in uploads.items():
        if name.startswith("report"):
            for part, digest in json.loads(path.read_text(encoding="utf-8"))["sha256"].items():
                if part not in uploads or sha256_of(uploads[part]) != digest:
                    raise TrainingError(f"{part} is missing or damaged; fetch that portion again.")
    missing = [name for name in report["weights"] if name not in uploads]
    if missing:
        raise TrainingError(
            f"{missing[0]} is missing; name the folders of all {report['portions']} portions."
        )
    weights = load(b"".join(uploads[name].read_bytes() for name in report["weights"]))
    recipe = Recipe.from_dict(report["recipe"])
    with replacing_folder(run, proof=RUN_FILE) as new:
        export_checkpoint(new / "checkpoint", recipe, weights, tokenizer)
        for name, path in uploads.items():
            if not name.startswith("weights-"):
                (new / name).write_bytes(path.read_bytes())
        write_run(new, report["steps"], recipe)
    return report
