"""Several token shards under the names of their sources, to train on as a mixture or to evaluate one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cg2_training.data.shards import SHARD, TokenShard
from cg2_training.errors import TrainingError
from cg2ls.models.codegen2 import CodeTokenizer

ALL = "all"
"""Name of the source where there is one shard and no folder to name it after."""


@dataclass(frozen=True)
class ShardSet:
    """Token shards made by one tokenizer.

    Attributes:
        shards: by source, in the order of the names.
    """

    shards: Mapping[str, TokenShard]

    @classmethod
    def open(cls, folder: Path) -> ShardSet:
        """Maps a shard, or a folder with one shard for each source.

        Raises:
            TrainingError: it is neither, a shard is damaged, or two have different tokenizers.
        """
        if not folder.exists():
            raise TrainingError(
                f"{folder} does not exist; make it with cg2-train tokenize. A corpus that holds nothing out gives no"
                " shard to measure on: collect it with a greater --heldout."
            )
        if (folder / SHARD).exists() or not folder.is_dir():
            return cls.of(TokenShard.open(folder))
        inside = sorted(path.parent for path in folder.glob(f"*/{SHARD}"))
        if not inside:
            raise TrainingError(
                f"{folder} is no token shard and holds none; make one with cg2-train tokenize."
            )
        shards = {path.name: TokenShard.open(path) for path in inside}
        first, *others = shards.values()
        for name, shard in zip(list(shards)[1:], others, strict=True):
            if shard.tokenizer.to_json() != first.tokenizer.to_json():
                raise TrainingError(
                    f"{folder / name} was made with another tokenizer than {inside[0]}; tokenize both with the same."
                )
        return cls(shards)

    @classmethod
    def of(cls, tokens: TokenShard | ShardSet) -> ShardSet:
        """The same tokens as a set, whichever of the two they are."""
        return tokens if isinstance(tokens, ShardSet) else cls({ALL: tokens})

    @property
    def tokenizer(self) -> CodeTokenizer:
        """What made all of the shards."""
        return next(iter(self.shards.values())).tokenizer

    @property
    def size(self) -> int:
        """Tokens in all."""
        return sum(len(shard.tokens) for shard in self.shards.values())
