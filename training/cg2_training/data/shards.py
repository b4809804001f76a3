"""Token shards: corpora tokenized to memory-mapped arrays of ids, and sets of shards by source.

`<|endoftext|>` separates the documents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from cg2_training.errors import TrainingError
from cg2ls.files import replacing_folder, sha256_of
from cg2ls.models.codegen2 import CodeTokenizer

BATCH_DOCUMENTS = 512
"""Documents tokenized in one call."""

DIGEST_SAMPLES, DIGEST_SAMPLE_TOKENS = 64, 1024
"""Positions of a shard that its digest covers, and tokens at each."""

SHARD_FILE = "shard.json"
"""File that marks a folder as a token shard."""


@dataclass(frozen=True)
class TokenShard:
    """Tokenized split of a corpus.

    Attributes:
        tokens: ids, uint16 or uint32 [n], memory-mapped.
        tokenizer: tokenizer that made them.
        bytes: UTF-8 bytes of their text, without separators.
        corpus_sha256: digest of the tokenized file; "" if unknown.
    """

    tokens: npt.NDArray[np.unsignedinteger]
    tokenizer: CodeTokenizer
    bytes: int
    corpus_sha256: str = ""

    @property
    def digest(self) -> str:
        """Identify this shard by the corpus's digest, the length and a sample of the tokens."""
        digest = hashlib.sha256(f"{self.corpus_sha256} {len(self.tokens)}".encode())
        starts = np.linspace(0, max(0, len(self.tokens) - DIGEST_SAMPLE_TOKENS), DIGEST_SAMPLES).astype(
            np.int64
        )
        for start in starts.tolist():
            digest.update(self.tokens[start : start + DIGEST_SAMPLE_TOKENS].astype(np.uint32).tobytes())
        return digest.hexdigest()

    @classmethod
    def open(cls, folder: Path) -> TokenShard:
        """Map a folder written by `tokenize_corpus`.

        Raises:
            TrainingError: a file is missing, or its length differs from the recorded one.
        """
        try:
            meta = json.loads((folder / SHARD_FILE).read_text(encoding="utf-8"))
            tokens = np.memmap(folder / "tokens.bin", dtype=meta["dtype"], mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise TrainingError(
                f"{folder} is not a token shard ({error}); run cg2-train tokenize again."
            ) from None
        if tokens.size != meta["tokens"]:
            raise TrainingError(
                f"{folder}/tokens.bin holds {tokens.size} tokens, not {meta['tokens']}; run cg2-train tokenize again."
            )
        return cls(
            tokens,
            CodeTokenizer.load(folder / "tokenizer.json"),
            int(meta["bytes"]),
            str(meta.get("corpus_sha256", "")),
        )


def read_documents(path: Path) -> Iterator[str]:
    """Yield the texts of a JSON-lines corpus file.

    Raises:
        TrainingError: the file is missing, or a line is not a document.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield json.loads(line)["text"]
                except (ValueError, KeyError, TypeError):
                    raise TrainingError(f"{path}, line {number}: not a JSON object with a text.") from None
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist; make it with cg2-train corpus.") from None
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path} is damaged: it is not UTF-8 ({error.reason}); make it again.") from None


def tokenize_corpus(
    corpus: Path, tokenizer: CodeTokenizer, out: Path, *, progress: bool = True
) -> TokenShard:
    """Tokenize a JSON-lines corpus, in its order, into a shard folder.

    Raises:
        TrainingError: the corpus is missing, damaged or empty, or the disk is full.
        OutputError: `out` exists and is not a shard.
    """
    try:
        return _tokenize(corpus, tokenizer, out, progress)
    except OSError as error:
        raise TrainingError(
            f"cannot write the shard {out} ({error.strerror or error}); free some space and run the same command again."
        ) from error


def _tokenize(corpus: Path, tokenizer: CodeTokenizer, out: Path, progress: bool) -> TokenShard:
    dtype = np.dtype(np.uint16 if tokenizer.special.vocab_size <= 1 << 16 else np.uint32)
    total_bytes = count = 0
    documents = read_documents(corpus)
    with (
        replacing_folder(out, proof=SHARD_FILE) as new,
        tqdm(unit="B", unit_scale=True, disable=not progress, desc=corpus.name) as bar,
    ):
        if progress and corpus.exists():
            bar.total = corpus.stat().st_size
        with (new / "tokens.bin").open("wb") as file:
            while texts := list(islice(documents, BATCH_DOCUMENTS)):
                for tokens in tokenizer.encode_batch(texts):
                    file.write(np.array([*tokens, tokenizer.special.end_of_text], dtype=dtype).tobytes())
                    count += len(tokens) + 1
                size = sum(len(text.encode()) for text in texts)
                total_bytes += size
                bar.update(size)
        if not count:
            raise TrainingError(f"{corpus} has no documents to train on; name another corpus.")
        meta = {
            "dtype": dtype.name,
            "tokens": count,
            "bytes": total_bytes,
            "corpus_sha256": sha256_of(corpus),
        }
        (new / SHARD_FILE).write_text(json.dumps(meta, indent=2) + "\n")
        (new / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    return TokenShard.open(out)


SINGLE_SOURCE = "all"
"""Source name of a single shard, which has no folder to be named after."""


@dataclass(frozen=True)
class ShardSet:
    """Token shards made by one tokenizer.

    Attributes:
        shards: shards by source, sorted by name.
    """

    shards: Mapping[str, TokenShard]

    @classmethod
    def open(cls, folder: Path) -> ShardSet:
        """Map a shard, or a folder with one shard for each source.

        Raises:
            TrainingError: it is neither, a shard is damaged, or two shards have different tokenizers.
        """
        if not folder.exists():
            raise TrainingError(
                f"{folder} does not exist; make it with cg2-train tokenize. A corpus without held-out documents"
                " gives no shard to measure on; collect it with a larger --heldout."
            )
        if (folder / SHARD_FILE).exists() or not folder.is_dir():
            return cls.of(TokenShard.open(folder))
        inside = sorted(path.parent for path in folder.glob(f"*/{SHARD_FILE}"))
        if not inside:
            raise TrainingError(
                f"{folder} is not a token shard and contains none; make one with cg2-train tokenize."
            )
        shards = {path.name: TokenShard.open(path) for path in inside}
        first, *others = shards.values()
        for name, shard in zip(list(shards)[1:], others, strict=True):
            if shard.tokenizer.to_json() != first.tokenizer.to_json():
                raise TrainingError(
                    f"{folder / name} was made with another tokenizer than {inside[0]};"
                    " tokenize both with one tokenizer."
                )
        return cls(shards)

    @classmethod
    def of(cls, tokens: TokenShard | ShardSet) -> ShardSet:
        """Return a shard or a set as a set."""
        return tokens if isinstance(tokens, ShardSet) else cls({SINGLE_SOURCE: tokens})

    @property
    def tokenizer(self) -> CodeTokenizer:
        """Tokenizer that made all shards."""
        return next(iter(self.shards.values())).tokenizer

    @property
    def size(self) -> int:
        """Total number of tokens."""
        return sum(len(shard.tokens) for shard in self.shards.values())


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
