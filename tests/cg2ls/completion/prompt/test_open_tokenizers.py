"""Prompts of models other than CodeGen2: token boundaries, and what a typed key costs in each order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from cg2_quantize.checkpoint.synthetic import build_open_tokenizer
from cg2ls.completion.faults import Faults
from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.prompt.anchor import find_healer
from cg2ls.completion.prompt.builder import PromptBuilder
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.types import NO_RETRIEVAL
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.infill_tokens import StatedLayout, find_special_tokens
from cg2ls.models.folder.description import Infill

ABOVE = "".join(f"value_{number} = read({number})\n" for number in range(40))
BELOW = "\n\ndef after():\n    return value_1\n"
LINE = "    total = value_3 + value_4"
ORDERS = ("psm", "spm", "spm:<|fim_prefix|>,<|fim_suffix|>,<|fim_middle|>")


def tokenizer_of(stated: str = "psm") -> CodeTokenizer:
    library = build_open_tokenizer(900)
    special = find_special_tokens(library, 900, "the tokenizer", StatedLayout.parse(stated))
    return CodeTokenizer(library, special=special)


@dataclass
class Opened:
    """The part of an engine that prompts are built for."""

    tokenizer: CodeTokenizer
    context_length: int = 1024

    @property
    def model(self) -> Any:
        infill = Infill(objectives=("causal", "fim"), anchor_max_tokens=128)
        return SimpleNamespace(infill=infill, document_header="")


def prompts(stated: str) -> list[list[int]]:
    """The prompts of a line that is typed key by key."""
    engine: Any = Opened(tokenizer_of(stated))
    builder = PromptBuilder(engine, CompletionOptions())
    found = []
    for keys in range(len(LINE) + 1):
        text = ABOVE + LINE[:keys]
        cursor = Cursor.at(text + BELOW, len(text))
        found.append(list(builder.build(cursor, "line", "", NO_RETRIEVAL, Faults()).prompt))
    return found


def common(a: list[int], b: list[int]) -> int:
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@pytest.mark.parametrize("stated", ORDERS)
def test_a_typed_key_costs_only_its_own_tokens(stated: str) -> None:
    typed = prompts(stated)
    for before, after in pairwise(typed):
        new = len(after) - common(before, after)
        assert new <= len(tokenizer_of(stated).encode(LINE.split()[-1])) + 1, "one word at most"
    assert len(typed[0]) > 300, "the window is much longer than a typed word"
    total = sum(len(after) - common(before, after) for before, after in pairwise(typed))
    assert total < 2 * len(tokenizer_of(stated).encode(LINE)), (
        "all keys of the line cost about the line's own tokens"
    )


@pytest.mark.parametrize("stated", ORDERS)
def test_the_parts_come_in_the_stated_order(stated: str) -> None:
    tokenizer, prompt = tokenizer_of(stated), prompts(stated)[-1]
    layout = tokenizer.special.layout
    assert layout is not None
    text = tokenizer.decode(prompt)
    at = text.index("value_30 = "), text.index("def after")
    assert (at[0] < at[1]) == (layout.order == "psm")


@pytest.mark.parametrize(
    ("known", "forced"),
    [
        ("x = na", " na"),
        ("x = ", " "),
        ("self.val", ".val"),
        ("self.", "."),
        ("read(", "("),
        ("\n        ", " "),
        ("\n\t\t", "\t"),
        ("\n        re", " re"),
        ("if x:\n", ""),
        ("x12", ""),
        ("", ""),
        ("x = " + "a" * 40, ""),
        ("größe", "größe"),
    ],
)
def test_text_is_split_where_the_tokenizer_splits_it(known: str, forced: str) -> None:
    healed = find_healer(tokenizer_of())(known)
    assert (healed.kept + healed.forced, healed.forced) == (known, forced)


@pytest.mark.parametrize("cut", range(1, 40))
def test_kept_tokens_begin_the_tokens_of_the_whole(cut: int) -> None:
    tokenizer = tokenizer_of()
    text = "def f(self, name):\n    return self.get(name)\n"
    kept = find_healer(tokenizer)(text[:cut]).kept
    tokens = tokenizer.encode(kept)
    assert tokenizer.encode(text)[: len(tokens)] == tokens
