"""Memory of vocabularies of more than 65,535 tokens: same answers, four bytes a token; old stores are still read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cg2_quantize.checkpoint.synthetic import build_open_tokenizer
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.infill_tokens import find_special_tokens
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.store import BYTES_PER_TOKEN, DESCRIPTION, TOKENS, Store
from cg2ls.retrieval.memory.suffix_segment import (
    DEPTH,
    TOKEN,
    WIDE_TOKEN,
    Segment,
    find_numbers,
    following,
    matched,
)
from cg2ls.retrieval.memory.token_lines import TokenLines
from cg2ls.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

FAR = 100_000
"""Added to every token, so that it needs more than two bytes."""

FILES = ([1, 2, 3, 4, 1, 2, 5], [2, 3, 4, 9], [])
END = 7


def segment(offset: int, numbers: np.dtype[np.generic]) -> Segment:
    return Segment.of([np.array(file, numbers) + numbers.type(offset) for file in FILES], END + offset)


@pytest.mark.parametrize("context", [[1], [1, 2], [4, 1, 2], [2, 3, 4], [8], [7, 1, 2, 3]])
def test_wide_tokens_are_found_like_narrow_ones(context: list[int]) -> None:
    found = []
    for offset, numbers, token in ((0, np.dtype(np.uint16), TOKEN), (FAR, np.dtype(np.uint32), WIDE_TOKEN)):
        key = (np.array(context[::-1], np.int64) + offset).astype(token).tobytes()
        near = segment(offset, numbers).neighbours(key, 100)
        rows = near.rows[near.counts]
        lengths, tokens = matched(rows, key), following(rows) - offset
        found.append(
            sorted(zip(lengths.tolist(), tokens.tolist(), near.places[near.counts].tolist(), strict=True))
        )
    assert found[0] == found[1]
    assert found[0]


def test_two_bytes_are_used_where_they_suffice() -> None:
    assert [find_numbers(size).itemsize for size in (8192, 65_535, 65_536, 151_936)] == [2, 2, 4, 4]
    segment(FAR, np.dtype(np.uint32)).check()


def tokenizer(rows: int) -> CodeTokenizer:
    """Qwen2.5-Coder's kind of tokenizer, for a model of so many rows."""
    library = build_open_tokenizer(900)
    return CodeTokenizer(library, special=find_special_tokens(library, rows, "the tokenizer"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "work"
    root.mkdir()
    for number in range(3):
        (root / f"m{number}.py").write_text(
            f"def function_{number}(value):\n    return value + {number}\n" * 40
        )
    return Workspace(root)


@pytest.mark.parametrize(("rows", "size"), [(900, 2), (151_936, 4)])
def test_memory_predicts_text_of_the_workspace(
    workspace: Workspace, tmp_path: Path, rows: int, size: int
) -> None:
    opened = tokenizer(rows)
    store = Store.of(workspace.root, "python", opened, tmp_path / "cache")
    memory = Memory(workspace, "python", opened, store=store)
    memory.refresh()
    text = "def function_1(va"
    prior = memory.prior("new.py", text, len(text) - 2)
    assert prior is not None
    flat = np.zeros(rows, np.float32)
    mixed = prior.mix([], flat)
    assert mixed[opened.encode("value")[0]] > mixed[opened.encode("other")[0]]
    assert store.read().segment.numbers.itemsize == size
    on_disk = (store.folder / TOKENS).stat().st_size
    assert on_disk == size * (sum(file.tokens + 1 for file in store.read().files) + DEPTH)


def test_another_process_builds_the_same_index(workspace: Workspace, tmp_path: Path) -> None:
    opened = tokenizer(151_936)
    found = []
    for number, update in enumerate((None, in_child)):
        store = Store.of(workspace.root, "python", opened, tmp_path / f"cache{number}")
        options = {} if update is None else {"update": update}
        Memory(workspace, "python", opened, store=store, **options).refresh()  # type: ignore[arg-type]
        found.append((store.folder / TOKENS).read_bytes())
    assert found[0] == found[1]


def test_a_store_of_two_bytes_is_named_and_described_as_before(tmp_path: Path) -> None:
    narrow = Store(tmp_path, "python", "t", 5, tmp_path / "cache")
    tokens = [np.array([1, 2, 3], np.uint16)]
    index = narrow.write([IndexedFile("a.py", 1, 2, 3)], tokens)
    assert isinstance(index, Index)
    described = json.loads((narrow.folder / DESCRIPTION).read_text())
    assert described.keys() == {"format", "root", "language", "tokenizer", "separator", "files"}
    assert BYTES_PER_TOKEN == 6
    wide = Store(tmp_path, "python", "t", 5, tmp_path / "cache", WIDE_TOKEN)
    assert wide.folder != narrow.folder
    assert Store.from_json(wide.to_json()).folder == wide.folder
    assert Store.from_json(narrow.to_json()).folder == narrow.folder


def test_a_tokenizer_that_keeps_line_ends_together_is_followed() -> None:
    opened = tokenizer(900)
    text = "a = 1\n\n\nb = 2\n\ndef f():\n    pass\n"
    lines = TokenLines(opened.encode)
    lines.update(text)
    assert lines.tokens.tolist() == opened.encode(text)
