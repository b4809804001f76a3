"""The token shards that the lessons train on and are scored on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cg2_training.data.shards import SHARD_FILE, ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import CODE, TEXT, Arm
from cg2ls.files import replacing_folder
from cg2ls.models.codegen2 import CodeTokenizer

BLOCK_ROWS = 16
"""Rows of text that a subset takes from one place of a shard."""

SPLITS = ("train", "heldout")

Sources = Mapping[str, Path]
"""Folders of token shards by source."""


@dataclass(frozen=True)
class Corpora:
    """Shards by domain and source, all made by one tokenizer.

    Attributes:
        train: training shards by domain, then by source.
        heldout: held-out shards, likewise.
        tokenizer: tokenizer that made them.
    """

    train: Mapping[str, Sources]
    heldout: Mapping[str, Sources]
    tokenizer: CodeTokenizer

    @classmethod
    def open(cls, code: Path, text: Path | None = None) -> Corpora:
        """Find the shards of a code corpus and, if there is one, a text corpus.

        Raises:
            TrainingError: a folder has no train or heldout shards, or the tokenizers differ.
        """
        folders = {CODE: code} | ({TEXT: text} if text else {})
        train, heldout = (
            {domain: _sources(domain, folder, split) for domain, folder in folders.items()}
            for split in SPLITS
        )
        every = [path for table in (train, heldout) for found in table.values() for path in found.values()]
        tokenizer = TokenShard.open(every[0]).tokenizer
        for path in every[1:]:
            if TokenShard.open(path).tokenizer.to_json() != tokenizer.to_json():
                raise TrainingError(
                    f"{path} was made with another tokenizer than {every[0]}; tokenize both with the same."
                )
        return cls(train, heldout, tokenizer)

    def tokens(self, domain: str) -> int:
        """Return the training tokens of a domain."""
        return sum(len(TokenShard.open(path).tokens) for path in self.train[domain].values())

    def digests(self) -> dict[str, str]:
        """Return an identification of these shards."""
        return {
            f"{split}/{source}": TokenShard.open(path).digest
            for split, table in (("train", self.train), ("heldout", self.heldout))
            for found in table.values()
            for source, path in found.items()
        }

    def heldout_set(self, arm: Arm) -> ShardSet:
        """Return the held-out shards of the arm's domains, for the trainer's own log."""
        return open_set({name: path for domain in arm.domains for name, path in self.heldout[domain].items()})

    def weights(self, arm: Arm) -> dict[str, float]:
        """Return the weight of each of the arm's sources: its domain's, shared by tokens."""
        sizes = {
            domain: {name: len(TokenShard.open(path).tokens) for name, path in self.train[domain].items()}
            for domain in arm.domains
        }
        return {
            name: weight * tokens / sum(sizes[domain].values())
            for domain, weight in arm.domains.items()
            for name, tokens in sizes[domain].items()
        }

    def train_sources(self, arm: Arm, *, rows: int, context: int, work: Path) -> Sources:
        """Return the shards that an arm trains on; a repeated subset is made in the work folder.

        Args:
            arm: arm to train.
            rows: rows of a full run.
            context: tokens of a row.
            work: folder of subsets; all arms and seeds with the same divisor share one.
        """
        sources = {name: path for domain in arm.domains for name, path in self.train[domain].items()}
        if arm.data_divisor == 1:
            return sources
        weights = self.weights(arm)
        return {
            name: _subset(
                path,
                max(2, round(rows * weights[name] / arm.data_divisor)),
                context,
                work / "subsets" / str(arm.data_divisor) / name,
            )
            for name, path in sources.items()
        }


def open_set(sources: Sources) -> ShardSet:
    """Map the shards of some sources."""
    return ShardSet({name: TokenShard.open(path) for name, path in sources.items()})


def _sources(domain: str, folder: Path, split: str) -> Sources:
    place = folder / split
    if (place / SHARD_FILE).exists():
        return {domain: place}
    inside = sorted(path.parent for path in place.glob(f"*/{SHARD_FILE}"))
    if not inside:
        raise TrainingError(
            f"{folder} has no token shard {split}; make it with cg2-train tokenize CORPUS --tokenizer"
            f" FILE -o {folder}."
        )
    return {f"{domain}-{path.name}": path for path in inside}


def _subset(source: Path, rows: int, context: int, out: Path) -> Path:
    """Write a shard with exactly `rows` rows an epoch, of blocks spread evenly over a shard."""
    shard = TokenShard.open(source)
    wanted = (rows + 1) * context + 1
    if (out / SHARD_FILE).exists() and len(TokenShard.open(out).tokens) == wanted:
        return out
    block = min(BLOCK_ROWS * context, wanted)
    starts = np.linspace(0, len(shard.tokens) - block, math.ceil(wanted / block)).astype(np.int64)
    blocks = [np.array(shard.tokens[start : start + block]) for start in starts.tolist()]
    for one in blocks:
        # Text from another place is another document.
        one[-1] = shard.tokenizer.special.end_of_text
    tokens = np.concatenate(blocks)[:wanted]
    meta = {
        "dtype": tokens.dtype.name,
        "tokens": int(tokens.size),
        "bytes": round(shard.bytes * tokens.size / len(shard.tokens)),
        "corpus_sha256": shard.corpus_sha256,
    }
    with replacing_folder(out, proof=SHARD_FILE) as new:
        tokens.tofile(new / "tokens.bin")
        (new / "tokenizer.json").write_text(shard.tokenizer.to_json(), encoding="utf-8")
        (new / SHARD_FILE).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    return out
