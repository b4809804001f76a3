"""Inputs of an adaptation: a repository's files, split and tokenized, in a folder that a repeated call finds again."""

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
"""Says what the folder was made from; without it the folder is not ours to clear."""


@dataclass(frozen=True)
class AdaptInputs:
    """An adaptation's inputs, ready to train on.

    Attributes:
        run: the folder.
        start: weights to go on from, float32.
        train: tokens to train on.
        heldout: tokens held out.
    """

    run: Path
    start: Checkpoint
    train: TokenShard
    heldout: TokenShard

    @property
    def best(self) -> Path:
        """Where the best weights so far are kept."""
        return self.run / "best"


def prepare_inputs(
    run: Path, base: Path, train: Sequence[SourceFile], heldout: Sequence[SourceFile], settings: str
) -> AdaptInputs:
    """Prepare the folder, or takes it as it is when it was made from the very same things.

    Args:
        run: the folder; one made from something else is cleared.
        base: the model folder to go on from.
        train: files to train on.
        heldout: files held out.
        settings: whatever else decides the run.

    Raises:
        TrainingError: the folder holds something else.
        Cg2Error: the model folder is damaged.
    """
    mark = {"made_from": _fingerprint(base, train, heldout, settings)}
    if _mark_of(run) != mark:
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        write_atomically(run / MARKER_FILE, json.dumps(mark) + "\n")
    if not (run / "base" / "config.json").exists():
        dequantize(base, run / "base")
    tokenizer = CodeTokenizer.load(base / TOKENIZER)
    shards = []
    for part, files in (("train", train), ("heldout", heldout)):
        write_corpus(run / f"{part}.jsonl", files)
        shards.append(tokenize_corpus(run / f"{part}.jsonl", tokenizer, run / part, progress=False))
    return AdaptInputs(run, Checkpoint.open(run / "base"), *shards)


def _mark_of(run: Path) -> object:
    """What the folder was made from; None if it is empty or not there."""
    if not run.exists() or not any(run.iterdir()):
        return None
    try:
        mark: object = json.loads((run / MARKER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise TrainingError(
            f"{run} holds something else than an adaptation; name another --run folder."
        ) from None
    return mark


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
"""File names by LSP language id, for the languages that models are trained on here."""


@dataclass(frozen=True)
class SourceFile:
    """One file: its path relative to the folder that was named, and its text."""

    path: str
    text: str


@dataclass
class CollectedFiles:
    """What a search for files found.

    Attributes:
        files: by path, each text once.
        refused: files left alone, by reason.
    """

    files: list[SourceFile] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def collect_files(folders: Iterable[Path], suffixes: Collection[str]) -> CollectedFiles:
    """Read the source files of some folders that the workspace's rules allow, copies and near copies once.

    Near copies must go before the files are split: a copy of a held-out file among those trained on would
    make any model look better than it is.

    Args:
        folders: repositories, or folders in them.
        suffixes: ends of the names of files that are wanted.

    Raises:
        TrainingError: a folder does not exist.
    """
    found, seen = CollectedFiles(), SeenTexts()
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(f"{folder} is not a folder; name a repository to adapt to.")
        workspace = Workspace(folder)
        wanted = workspace.walk(
            lambda name: name.endswith(tuple(suffixes)),
            lambda refusal: found.refused.update([refusal.reason]),
        )
        for path in wanted:
            try:
                text = workspace.read(path)
            except RefusedError as refused:
                found.refused[refused.refusal.reason] += 1
                continue
            if not text.strip():
                found.refused["empty"] += 1
            elif repeats := seen.repeats(exact_key(text), signature(text)):
                found.refused[repeats] += 1
            else:
                found.files.append(SourceFile(path.relative_to(workspace.root).as_posix(), text))
    return found


def hold_out(files: Sequence[SourceFile], share: float) -> tuple[list[SourceFile], list[SourceFile]]:
    """Split files into those to train on and those held out, about `share` of the characters.

    A digest of the path decides, so that a file stays on its side as the repository grows around it.
    """
    by_digest = sorted(files, key=lambda file: hashlib.sha256(file.path.encode()).digest())
    wanted = share * sum(len(file.text) for file in files)
    heldout: list[SourceFile] = []
    for file in by_digest:
        if sum(len(one.text) for one in heldout) + len(file.text) / 2 <= wanted:
            heldout.append(file)
    chosen = {file.path for file in heldout}
    return [file for file in by_digest if file.path not in chosen], heldout


def write_corpus(path: Path, files: Iterable[SourceFile]) -> None:
    """Write files as a JSON-lines corpus."""
    with path.open("w", encoding="utf-8") as lines:
        for file in files:
            lines.write(json.dumps({"text": file.text, "path": file.path}) + "\n")
