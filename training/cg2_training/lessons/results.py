"""Each arm's numbers as one small JSON file, with the version of the code that made them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cg2_training
import cg2ls
from cg2_training.errors import TrainingError
from cg2_training.lessons.scores import PLACES, FloatArray, IntArray, RowScores
from cg2ls.files import write_atomically

MILLI = 1000
"""Nats are stored as whole thousandths."""

LABELS = "labels.json"


@dataclass(frozen=True)
class ArmResult:
    """Result of one arm and seed.

    Attributes:
        arm: name of the arm.
        seed: seed of the run.
        notes: commit, size, recipe and the like, as JSON.
        digest: digest of the scored labels.
        nats: sums by row, by `DOMAIN/MEASURE`.
    """

    arm: str
    seed: int
    notes: Mapping[str, Any]
    digest: str
    nats: Mapping[str, FloatArray]

    def row_nats(self, measure: str) -> FloatArray | None:
        """Return the sums by row of a measure; None if it was not scored.

        An infill measure is the sum of its places.
        """
        return _with_places(self.nats, measure)


@dataclass(frozen=True)
class Results:
    """All results of a folder, scored on the same labels.

    Attributes:
        arms: results in the order of names and seeds.
        tokens: labels by row, by measure.
        bytes: bytes of the labels' text, likewise.
    """

    arms: tuple[ArmResult, ...]
    tokens: Mapping[str, IntArray]
    bytes: Mapping[str, IntArray]

    def weights(self, measure: str, *, by_bytes: bool) -> IntArray:
        """Return tokens or bytes by row; `measure` must be scored."""
        found = _with_places(self.bytes if by_bytes else self.tokens, measure)
        assert found is not None
        return found.astype(np.int64)

    def of(self, arm: str) -> dict[int, ArmResult]:
        """Return an arm's results by seed."""
        return {one.seed: one for one in self.arms if one.arm == arm}


def result_path(folder: Path, arm: str, seed: int) -> Path:
    """Return the file of an arm's numbers."""
    return folder / f"{arm}-{seed}.json"


def write_result(folder: Path, arm: str, seed: int, notes: Mapping[str, Any], scores: RowScores) -> Path:
    """Store an arm's numbers; the labels are stored once for all arms.

    Raises:
        TrainingError: the stored arms were scored on other labels.
    """
    labels = folder / LABELS
    if not labels.exists():
        table = {
            "digest": scores.digest,
            "tokens": {name: values.tolist() for name, values in scores.tokens.items()},
            "bytes": {name: values.tolist() for name, values in scores.bytes.items()},
        }
        write_atomically(labels, _compact(table))
    elif (there := _read(labels)["digest"]) != scores.digest:
        raise TrainingError(
            f"{folder} has scores of other labels ({there[:12]}, not {scores.digest[:12]}); choose"
            " another --work folder."
        )
    nats = {name: np.rint(values * MILLI).astype(int).tolist() for name, values in scores.nats.items()}
    path = result_path(folder, arm, seed)
    write_atomically(
        path,
        _compact({"arm": arm, "seed": seed, **notes, "labels": scores.digest, "millinats_by_row": nats}),
    )
    return path


def read_results(folder: Path) -> Results:
    """Read every result of a folder.

    Raises:
        TrainingError: there is none, a file is damaged, or two were scored on different labels.
    """
    paths = sorted(path for path in folder.glob("*-*.json"))
    if not paths:
        raise TrainingError(f"{folder} contains no results; run cg2-train lessons with --corpus first.")
    labels = _read(folder / LABELS)
    arms = []
    try:
        for path in paths:
            raw = _read(path)
            if raw["labels"] != labels["digest"]:
                raise TrainingError(
                    f"{path} was scored on other labels than {folder / LABELS}; remove one of them."
                )
            nats = {
                name: np.array(values, np.float64) / MILLI for name, values in raw["millinats_by_row"].items()
            }
            if any(len(values) != len(labels["tokens"][name]) for name, values in nats.items()):
                raise ValueError("a measure has another number of rows than the labels")
            notes = {
                key: value
                for key, value in raw.items()
                if key not in {"arm", "seed", "labels", "millinats_by_row"}
            }
            arms.append(ArmResult(str(raw["arm"]), int(raw["seed"]), notes, str(raw["labels"]), nats))
        tokens, sizes = (
            {name: np.array(values, np.int64) for name, values in labels[key].items()}
            for key in ("tokens", "bytes")
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TrainingError(
            f"{path} is damaged ({error}); remove it and run the same command again."
        ) from None
    return Results(tuple(arms), tokens, sizes)


def _with_places(table: Mapping[str, Any], measure: str) -> FloatArray | None:
    if measure in table:
        return np.asarray(table[measure], np.float64)
    parts = [table.get(f"{measure}/{place}") for place in PLACES]
    if any(part is None for part in parts):
        return None
    total: FloatArray = np.array(parts, np.float64).sum(axis=0)
    return total


def _compact(table: Mapping[str, Any]) -> str:
    """Write one line for each key, so that files are small and their differences readable."""
    lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in table.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(
            f"{path} is missing; run the same command again in another --work folder."
        ) from None
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path} is damaged ({error}); remove it and run the same command again."
        ) from None
    if not isinstance(raw, dict):
        raise TrainingError(f"{path} is damaged (no JSON object); remove it and run the same command again.")
    return raw


PACKAGES = (Path(cg2_training.__file__).parent, Path(cg2ls.__file__).parent)


def code_version(folders: tuple[Path, ...] = PACKAGES) -> str:
    """Return the commit of the code, with a digest of its files if they differ from the commit.

    A copy without git has the digest alone.
    """
    commits = {
        _git(folder, "rev-parse", "HEAD") for folder in folders if _git(folder, "ls-files", "__init__.py")
    }
    commit = commits.pop() if len(commits) == 1 else ""
    if commit and not any(_git(folder, "status", "--porcelain", "--", ".") for folder in folders):
        return commit
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)} {len(path.read_bytes())}\n".encode())
            digest.update(path.read_bytes())
    files = f"files {digest.hexdigest()[:12]}"
    return f"{commit} with changes, {files}" if commit else files


def _git(folder: Path, *arguments: str) -> str:
    """Return git's output; "" if git is not installed or the folder is in no repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        ended = subprocess.run(
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.strip()
