"""Text to measure on, the same for everybody: modules of the standard library."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

from cg2_training.data.shards import TokenShard, read_documents, tokenize_corpus
from cg2_training.data.tokenizer import train_tokenizer
from cg2_training.run.recipe import ModelSection, OptimizerSection, Recipe, RunSection

MODULES = 60
"""Modules of the standard library, about a million characters."""

SHAPES = {
    "10m": (6, 256, 4, 512, 8192),
    "42m": (8, 512, 8, 1024, 16384),
    "125m": (12, 768, 12, 2048, 50304),
    "350m": (20, 1024, 16, 2048, 51200),
}
"""Layers, width, heads, context and vocabulary by name; the last is CodeGen-350M's."""


def bench_recipe(
    shape: str, *, rows: int, rows_per_pass: int, steps: int, loaders: int, threads: int
) -> Recipe:
    """A recipe of one of `SHAPES` that only serves to be timed: AdamW, the default objective."""
    n_layer, n_embd, n_head, context, vocabulary = SHAPES[shape]
    return Recipe(
        name=f"bench-{shape}",
        model=ModelSection(
            n_layer=n_layer,
            n_embd=n_embd,
            n_head=n_head,
            rotary_dim=32,
            context_length=context,
            vocab_size=vocabulary,
            n_masks=100,
        ),
        optimizer=OptimizerSection(lr=3e-4, warmup_steps=1),
        run=RunSection(
            steps=steps, rows_per_step=rows, rows_per_pass=rows_per_pass, loaders=loaders, threads=threads
        ),
    )


def make_shard(folder: Path, vocab_size: int) -> TokenShard:
    """Tokenizes standard library modules with a tokenizer of the wanted size, most of whose ids stay unused."""
    library = Path(sysconfig.get_paths()["stdlib"])
    modules = sorted(library.glob("*.py"), key=lambda path: path.name)[:MODULES]
    corpus = folder / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"text": path.read_text("utf-8")}) + "\n" for path in modules), encoding="utf-8"
    )
    tokenizer = train_tokenizer(read_documents(corpus), vocab_size, n_masks=100)
    return tokenize_corpus(corpus, tokenizer, folder / "shard", progress=False)
