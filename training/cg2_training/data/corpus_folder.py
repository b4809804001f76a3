"""Corpus folder written by `cg2-train corpus`: a file for each split, or for each source and split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cg2_training.data.shards import TokenShard, read_documents, tokenize_corpus
from cg2_training.errors import TrainingError
from cg2ls.models.codegen2 import CodeTokenizer

SPLITS = ("train", "heldout")


def files_of(folder: Path, split: str) -> dict[str, Path]:
    """Return the corpus file of each source that has the split; "" names the only source of `corpus build`."""
    if any((folder / f"{one}.jsonl").is_file() for one in SPLITS):
        path = folder / f"{split}.jsonl"
        return {"": path} if path.is_file() and path.stat().st_size else {}
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{split}.jsonl"))}


def interleaved(corpus: Path) -> Iterator[str]:
    """Yield the training documents of a corpus file, or of a corpus folder's sources in turn.

    Raises:
        TrainingError: there is no such corpus, or a line is damaged.
    """
    if not corpus.is_dir():
        yield from read_documents(corpus)
        return
    streams = [read_documents(path) for path in _require_files(corpus, "train").values()]
    while streams:
        for stream in list(streams):
            text = next(stream, None)
            if text is None:
                streams.remove(stream)
            else:
                yield text


def tokenize_folder(
    corpus: Path, tokenizer: CodeTokenizer, out: Path, *, progress: bool = True
) -> dict[Path, TokenShard]:
    """Tokenize every source of a corpus folder into `out`/train/SOURCE and `out`/heldout/SOURCE.

    The only source of `corpus build` becomes `out`/train and `out`/heldout.

    Returns:
        The shards by folder; a split that no source has gives none.

    Raises:
        TrainingError: the folder is not a corpus, or a file is damaged or empty.
        OutputError: a destination exists and is not a shard.
    """
    _require_files(corpus, "train")
    return {
        out / split / source: tokenize_corpus(path, tokenizer, out / split / source, progress=progress)
        for split in SPLITS
        for source, path in files_of(corpus, split).items()
    }


def _require_files(corpus: Path, split: str) -> dict[str, Path]:
    files = files_of(corpus, split)
    if not files:
        raise TrainingError(
            f"{corpus} is not a folder of cg2-train corpus: it has no {split}.jsonl and no SOURCE/{split}.jsonl; name a"
            " corpus file, or make the folder with that command."
        )
    return files
