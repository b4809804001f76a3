"""The folder in which an adaptation works: what it began with, so that the same call can go on after a kill."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cg2_quantize.checkpoint.dequantize import dequantize
from cg2_training.adapt.gather import SourceFile, write_corpus
from cg2_training.data.shards import TokenShard, tokenize_corpus
from cg2_training.errors import TrainingError
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, ModelDescription

MARK = "adapt.json"
"""Says what the folder was made from; without it the folder is not ours to clear."""


@dataclass(frozen=True)
class Workplace:
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


def prepare(
    run: Path, base: Path, train: Sequence[SourceFile], heldout: Sequence[SourceFile], settings: str
) -> Workplace:
    """Prepares the folder, or takes it as it is when it was made from the very same things.

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
        write_atomically(run / MARK, json.dumps(mark) + "\n")
    if not (run / "base" / "config.json").exists():
        dequantize(base, run / "base")
    tokenizer = CodeTokenizer.load(base / TOKENIZER)
    shards = []
    for part, files in (("train", train), ("heldout", heldout)):
        write_corpus(run / f"{part}.jsonl", files)
        shards.append(tokenize_corpus(run / f"{part}.jsonl", tokenizer, run / part, progress=False))
    return Workplace(run, Checkpoint.open(run / "base"), *shards)


def _mark_of(run: Path) -> object:
    """What the folder was made from; None if it is empty or not there."""
    if not run.exists() or not any(run.iterdir()):
        return None
    try:
        mark: object = json.loads((run / MARK).read_text(encoding="utf-8"))
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
