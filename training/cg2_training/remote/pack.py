"""Packing of a run: code, recipe, tokenizer and text, in pieces small enough to send."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from cg2_training.errors import TrainingError
from cg2_training.remote import START_FOLDER, bootstrap
from cg2_training.run.recipe import Recipe
from cg2ls.files import replacing_folder
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

PACKAGES = ("cg2_training", "cg2ls")
"""Packages of this project that training needs."""

SCRIPT_FILES = ("remote_session.py", "lease.py")
"""Script to run on the remote machine, and its old name."""


@dataclass(frozen=True)
class Pack:
    """Packed run: its folder, its pieces in order, their bytes, and the bytes of its text."""

    folder: Path
    pieces: tuple[str, ...]
    bytes: int
    text_bytes: int


class _Pieces:
    """Writable file that is split into pieces of limited size."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.names: list[str] = []
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> int:
        remaining = memoryview(data)
        while remaining:
            if self._file is None or self._file.tell() >= self.max_bytes:
                self._open_next()
            assert self._file
            space = self.max_bytes - self._file.tell()
            self._file.write(remaining[:space])
            remaining = remaining[space:]
        return len(data)

    def _open_next(self) -> None:
        self.close()
        self.names.append(f"piece-{len(self.names):03d}")
        self._file = (self.folder / self.names[-1]).open("wb")

    def close(self) -> None:
        if self._file:
            self._file.close()


def pack_run(
    recipe_file: Path,
    corpus: Path,
    tokenizer: Path,
    out: Path,
    *,
    start: Path | None = None,
    piece_mb: float = 30.0,
    progress: bool = True,
) -> Pack:
    """Pack everything that a remote machine needs to train a recipe.

    Args:
        recipe_file: file of the recipe.
        corpus: folder with `train.jsonl`, `heldout.jsonl` and `corpus.json`.
        tokenizer: file of the tokenizer.
        out: folder to write.
        start: checkpoint with the weights to begin with; None for random ones.
        piece_mb: maximum size of a piece in millions of bytes.
        progress: whether to show a progress bar.

    Raises:
        TrainingError: a file is missing, or the tokenizer or the checkpoint does not fit the recipe.
        CheckpointError: `start` is not a readable checkpoint.
        OutputError: `out` exists and is not a pack.
    """
    recipe = Recipe.load(recipe_file)
    size = CodeTokenizer.load(tokenizer).special.vocab_size
    if size != recipe.model.vocab_size:
        raise TrainingError(
            f"{tokenizer} has {size} tokens, but the recipe says {recipe.model.vocab_size}; make them equal."
        )
    files = dict(_list_files(recipe_file, corpus, tokenizer))
    for path in files.values():
        if not path.is_file():
            raise TrainingError(f"{path} is missing; build the corpus with cg2-train corpus build.")
    if start:
        files = {**_list_start(start, recipe), **files}
    text_bytes = files["train.jsonl"].stat().st_size + files["heldout.jsonl"].stat().st_size
    with replacing_folder(out, proof=bootstrap.INDEX_FILE) as new:
        pieces: Any = _Pieces(new, int(piece_mb * 1e6))
        total = sum(path.stat().st_size for path in files.values())
        with (
            tqdm(total=total, unit="B", unit_scale=True, desc="pack", disable=not progress) as bar,
            tarfile.open(fileobj=pieces, mode="w|xz") as archive,
        ):
            for name, path in files.items():
                archive.add(path, name, filter=_remove_identity)
                bar.update(path.stat().st_size)
        pieces.close()
        for script in SCRIPT_FILES:
            shutil.copyfile(bootstrap.__file__, new / script)
        entries: list[dict[str, Any]] = [
            {"name": name, "bytes": (new / name).stat().st_size, "sha256": bootstrap.sha256_of(new / name)}
            for name in pieces.names
        ]
        index = {"recipe": recipe.to_dict(), "pieces": entries}
        (new / bootstrap.INDEX_FILE).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return Pack(out, tuple(pieces.names), sum(entry["bytes"] for entry in entries), text_bytes)


def _list_files(recipe: Path, corpus: Path, tokenizer: Path) -> Iterator[tuple[str, Path]]:
    """Yield names in the archive and their files, the large ones last."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec
        assert spec.origin
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            yield f"code/{package}/{path.relative_to(root).as_posix()}", path
    yield "recipe.toml", recipe
    yield "tokenizer.json", tokenizer
    for name in ("corpus.json", "heldout.jsonl", "train.jsonl"):
        yield name, corpus / name


def _list_start(start: Path, recipe: Recipe) -> dict[str, Path]:
    """Return names in the archive and files of the checkpoint to begin with."""
    if Checkpoint.open(start).config != recipe.model.config():
        raise TrainingError(
            f"{start} has another shape than [model] of the recipe; pack the recipe that it was trained with."
        )
    return {f"{START_FOLDER}/{path.name}": path for path in sorted(start.iterdir()) if path.is_file()}


def _remove_identity(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove owner and time from an entry, so that the pack's bytes depend only on its content."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry
