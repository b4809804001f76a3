"""A tiny corpus, tokenizer, shards and recipe."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from cg2_training.data.shards import TokenShard, read_documents, tokenize_corpus
from cg2_training.data.tokenizer import train_tokenizer
from cg2ls.models.codegen2 import CodeTokenizer

STDLIB_MODULES = (
    "abc",
    "bisect",
    "calendar",
    "cmd",
    "colorsys",
    "copy",
    "fnmatch",
    "glob",
    "heapq",
    "shlex",
    "textwrap",
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSON-lines corpus of standard library modules."""
    library = Path(sysconfig.get_paths()["stdlib"])
    path = tmp_path_factory.mktemp("corpus") / "train.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        for module in STDLIB_MODULES:
            lines.write(json.dumps({"text": (library / f"{module}.py").read_text("utf-8")}) + "\n")
    return path


@pytest.fixture(scope="session")
def tokenizer(corpus: Path) -> CodeTokenizer:
    return train_tokenizer(read_documents(corpus), vocab_size=640, n_masks=20)


@pytest.fixture(scope="session")
def shard(corpus: Path, tokenizer: CodeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> TokenShard:
    return tokenize_corpus(corpus, tokenizer, tmp_path_factory.mktemp("shard") / "train", progress=False)


@pytest.fixture
def recipe() -> dict[str, Any]:
    return {
        "name": "toy",
        "model": {
            "n_layer": 2,
            "n_embd": 32,
            "n_head": 4,
            "rotary_dim": 8,
            "context_length": 64,
            "vocab_size": 640,
            "n_masks": 20,
        },
        "optimizer": {"lr": 0.01, "warmup_steps": 2},
        "objective": {"max_spans": 3, "max_span_chars": 60},
        "run": {
            "steps": 12,
            "rows_per_step": 4,
            "save_every": 5,
            "evaluate_every": 6,
            "evaluate_rows": 4,
            "loaders": 0,
            "compile": False,
            "threads": 1,
        },
    }
