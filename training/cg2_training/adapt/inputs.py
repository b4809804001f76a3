"""Inputs of an adaptation: a repository's files, split and tokenized, in a folder that a repeated call reuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cg2_quantize.checkpoint.dequantize import dequantize
from cg2_training.corpus.dedup import SeenTexts, exact_key, signature
from cg2_training.data.shards import TokenShard, tokenize_corpus
from cg2_training.errors import TrainingError
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, ModelDescription
from cg2ls.workspace import RefusedError, Workspace

MARKER_FILE = "adapt.json"
"""File that records the folder's inputs; a folder without it is never cleared."""


@dataclass(frozen=True)
class AdaptInputs:
    """An adaptation's inputs, ready to train on.

    Attributes:
        run: folder of the adaptation.
        start: float32 weights to start from.
        train: tokens to train on.
        heldout: held-out tokens.
    """

    run: Path
    start: Checkpoint
    train: TokenShard
    heldout: TokenShard

    @property
    def best(self) -> Path:
        """Folder of the best weights so far."""
        return self.run / "best"


def prepare_inputs(
    run: Path, base: Path, train: Sequence[SourceFile], heldout: Sequence[SourceFile], settings: str
) -> AdaptInputs:
    """Prepare the folder, or reuse one that was made from the same inputs.

    Args:
        run: folder of the adaptation; an adaptation of other inputs is cleared.
        base: model folder to start from.
        train: files to train on.
        heldout: held-out files.
        settings: text of all other settings that affect the run.

    Raises:
        TrainingError: the folder contains something else.
        Cg2Error: the model folder is damaged.
    """
    marker = {"made_from": _fingerprint(base, train, heldout, settings)}
    if _read_marker(run) != marker:
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        write_atomically(run / MARKER_FILE, json.dumps(marker) + "\n")
    if not (run / "base" / "config.json").exists():
        dequantize(base, run / "base")
    tokenizer = CodeTokenizer.load(base / TOKENIZER)
    shards = []
    for part, files in (("train", train), ("heldout", heldout)):
        write_corpus(run / f"{part}.jsonl", files)
        shards.append(tokenize_corpus(run / f"{part}.jsonl", tokenizer, run / part, progress=False))
    return AdaptInputs(run, Checkpoint.open(run / "base"), *shards)


def _read_marker(run: Path) -> object:
    """Read the folder's recorded inputs; None if it is empty or missing."""
    if not run.exists() or not any(run.iterdir()):
        return None
    try:
        marker: object = json.loads((run / MARKER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise TrainingError(
            f"{run} contains something other than an adaptation; name another --run folder."
        ) from None
    return marker


def _fingerprint(
    base: Path, train: Sequence[SourceFile], heldout: Sequence[SourceFile], settings: str
) -> str:
    digest = hashlib.sha256(settings.encode())
    for entry in ModelDescription.read(base).files.values():
        digest.update(entry.sha256.encode())
    for part in (train, heldout):
        digest.update(b"\0part\0")
        for file in part:
            digest.update(f"{file.path}\0{file.text}\0".encode())
    return digest.hexdigest()


SUFFIXES = {
    "python": (".py", ".pyi"),
    "javascript": (".js", ".mjs", ".cjs", ".jsx"),
    "typescript": (".ts", ".tsx"),
}
"""File suffixes by LSP language id, for the languages that models are trained on here."""


@dataclass(frozen=True)
class SourceFile:
    """Source file: its path relative to the named folder, and its text."""

    path: str
    text: str


@dataclass
class CollectedFiles:
    """Result of a search for files.

    Attributes:
        files: files in the order found, each text once.
        refused: number of excluded files by reason.
    """

    files: list[SourceFile] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def collect_files(folders: Iterable[Path], suffixes: Collection[str]) -> CollectedFiles:
    """Read the source files of folders that the workspace's rules allow, without copies and near copies.

    Near copies are removed before the split: a copy of a held-out file among the training files would improve the score
    of any model.

    Args:
        folders: repositories, or folders in them.
        suffixes: suffixes of the file names to read.

    Raises:
        TrainingError: a folder does not exist.
    """
    collected, seen = CollectedFiles(), SeenTexts()
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"{folder} is not a folder; name a repository to adapt to.")
        workspace = Workspace(folder)
        paths = workspace.walk(
            lambda name: name.endswith(tuple(suffixes)),
            lambda refusal: collected.refused.update([refusal.reason]),
        )
        for path in paths:
            try:
                text = workspace.read(path)
            except RefusedError as error:
                collected.refused[error.refusal.reason] += 1
                continue
            if not text.strip():
                collected.refused["empty"] += 1
            elif repeats := seen.repeats(exact_key(text), signature(text)):
                collected.refused[repeats] += 1
            else:
                collected.files.append(SourceFile(path.relative_to(workspace.root).as_posix(), text))
    return collected


def hold_out(files: Sequence[SourceFile], share: float) -> tuple[list[SourceFile], list[SourceFile]]:
    """Split files into training files and held-out files, the latter with about `share` of the characters.

    A digest of the path decides, so that a file stays on its side when the repository grows.
    """
    by_digest = sorted(files, key=lambda file: hashlib.sha256(file.path.encode()).digest())
    max_chars = share * sum(len(file.text) for file in files)
    heldout: list[SourceFile] = []
    for file in by_digest:
        if sum(len(one.text) for one in heldout) + len(file.text) / 2 <= max_chars:
            heldout.append(file)
    chosen = {file.path for file in heldout}
    return [file for file in by_digest if file.path not in chosen], heldout


def write_corpus(path: Path, files: Iterable[SourceFile]) -> None:
    """Write files as a JSON-lines corpus."""
    with path.open("w", encoding="utf-8") as lines:
        for file in files:
            lines.write(json.dumps({"text": file.text, "path": file.path}) + "\n")
