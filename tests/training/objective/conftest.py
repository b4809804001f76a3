"""Tokenizers of several kinds, and shards of the standard library made by them."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cg2_quantize.checkpoint.published_tokenizers import build_codegen2_tokenizer
from cg2_training.data.shards import TokenShard
from cg2_training.run.recipe import Recipe
from cg2ls.models.codegen2 import CodeTokenizer
from tests.training.objective.recipes import ROOT


@pytest.fixture(scope="session")
def tokenizers(tokenizer: CodeTokenizer) -> dict[int, CodeTokenizer]:
    """By size of the vocabulary: a toy, the default's, and the published one."""
    found = [
        tokenizer,
        CodeTokenizer.load(ROOT / "cg2ls" / "default" / "tokenizer.json"),
        CodeTokenizer(build_codegen2_tokenizer()),
    ]
    return {one.special.vocab_size: one for one in found}


@pytest.fixture(scope="session")
def shard_of(tokenizers: dict[int, CodeTokenizer]) -> Callable[[Recipe], TokenShard]:
    """The standard library, tokenized with a tokenizer like that of a recipe."""
    library = Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text("utf-8") for path in sorted(library.glob("[a-d]*.py"))]
    made: dict[int, TokenShard] = {}

    def shard(recipe: Recipe) -> TokenShard:
        size = min(tokenizers, key=lambda size: abs(size - recipe.model.vocab_size))
        if size not in made:
            tokenizer = tokenizers[size]
            end = [tokenizer.special.end_of_text]
            tokens = [token for one in tokenizer.encode_batch(texts) for token in one + end]
            made[size] = TokenShard(np.array(tokens, np.uint32), tokenizer, sum(map(len, texts)))
        return made[size]

    return shard
