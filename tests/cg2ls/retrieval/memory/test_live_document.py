"""A document under edits, against looking at every entry of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.retrieval.memory import live_document as module
from cg2ls.retrieval.memory import read_workspace
from cg2ls.retrieval.memory.live_document import LiveDocument
from cg2ls.retrieval.memory.suffix_segment import DEPTH, TOKEN, following, matched
from cg2ls.retrieval.memory.token_lines import TokenLines
from tests.cg2ls.retrieval.memory.brute_force import matches

START = 0


def letters(text: str) -> list[int]:
    """One token a letter."""
    return [1 + "abc\n".index(char) for char in text]


TEXTS = st.text("abc\n", max_size=60)
EDITS = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 8), st.text("abc\n", max_size=6), st.booleans()), max_size=8
)


@given(text=TEXTS, edits=EDITS, offset=st.integers(0, 80))
def test_after_any_edits_all_entries_are_those_of_the_text(
    text: str, edits: list[tuple[int, int, str, bool]], offset: int
) -> None:
    document = LiveDocument(letters, START)
    document.update(text)
    for at, length, new, sort in edits:
        text = text[:at] + new + text[at + length :]
        document.update(text)
        if sort:
            document.adopt(document.sort_again())
    assert document.lines.tokens.tolist() == letters(text)
    left, hidden = document.lines.before(min(offset, len(text)))
    assert left.tolist() == letters(text[:offset])
    context = [START, *left.tolist()]
    key = np.array(context[::-1][:DEPTH], TOKEN).tobytes()
    found: Counter[tuple[int, int]] = Counter()
    for near in document.view(hidden).neighbours(key, 10_000):
        rows = near.rows[near.counts]
        found.update(zip(matched(rows, key).tolist(), following(rows).tolist(), strict=True))
    assert found == matches([letters(text)], context, START, hidden)


@given(edits=EDITS)
def test_a_long_list_of_changes_is_sorted_anew(edits: list[tuple[int, int, str, bool]]) -> None:
    """The same must come out when every edit is large enough for that."""
    before, module.MAX_CHANGED_ENTRIES = module.MAX_CHANGED_ENTRIES, 0
    try:
        document = LiveDocument(letters, START)
        text = "abc\nabc\n"
        document.update(text)
        for at, length, new, _ in edits:
            text = text[:at] + new + text[at + length :]
            document.update(text)
            assert document.changed_entries == 0
            assert document.lines.tokens.tolist() == letters(text)
    finally:
        module.MAX_CHANGED_ENTRIES = before


def test_the_cursors_own_line_is_no_evidence(tokenizer: CodeTokenizer) -> None:
    document = LiveDocument(tokenizer.encode, tokenizer.special.end_of_text)
    text = "alpha = 1\nbeta = alpha_gamma\nalpha = 2\n"
    document.update(text)
    at = text.index("alpha_gamma")
    left, hidden = document.lines.before(at)
    key = np.array(left.tolist()[::-1], TOKEN).tobytes()
    found = document.view(hidden).neighbours(key, 99)
    line = tokenizer.encode("beta = alpha_gamma\n")
    assert len(hidden) == len(line)
    assert sum(each.counts.sum() for each in found) == len(document.lines.tokens) - len(line)


CODE = st.lists(
    st.sampled_from(["x", "def f(a):", "    ", "\t", " ", "\n", "\n\n", "é", "'''", "foo_bar"]), max_size=30
)


@given(pieces=CODE, edits=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 20), CODE), max_size=6))
def test_tokens_are_those_of_the_lines_whatever_was_edited(
    tokenizer: CodeTokenizer, pieces: list[str], edits: list[tuple[int, int, list[str]]]
) -> None:
    text = "".join(pieces)
    lines = TokenLines(tokenizer.encode)
    lines.update(text)
    for at, length, new in edits:
        text = text[:at] + "".join(new) + text[at + length :]
        lines.update(text)
    anew = TokenLines(tokenizer.encode)
    anew.update(text)
    assert lines.text == text
    assert lines.tokens.tolist() == anew.tokens.tolist()
    assert tokenizer.decode(lines.tokens.tolist()) == text


def test_tokens_of_code_are_those_the_model_reads(tokenizer: CodeTokenizer) -> None:
    text = "import os\n\n\nclass A:\n    def f(self):\n        return 1\n\n    x = 2\n\n\t\ty = 3\n\n"
    lines = TokenLines(tokenizer.encode)
    for version in (text, text.replace("class", "  class"), text.replace("class", "klass"), text):
        lines.update(version)
        assert lines.tokens.tolist() == tokenizer.encode(version)


@given(old=st.text("ab", max_size=40), new=st.text("ab", max_size=40))
def test_a_difference_is_found_whatever_the_texts(old: str, new: str) -> None:
    lines = TokenLines(letters)
    lines.update(old)
    change = lines.update(new)
    assert (change is None) == (old == new)
    assert lines.tokens.tolist() == letters(new)


@given(pieces=CODE, size=st.integers(0, 20))
def test_a_text_taken_piece_by_piece_has_the_same_tokens(
    tokenizer: CodeTokenizer, pieces: list[str], size: int
) -> None:
    text = "".join(pieces)
    before, read_workspace.PIECE_CHARS = read_workspace.PIECE_CHARS, size
    try:
        taken = read_workspace.encoded(tokenizer.encode, text)
    finally:
        read_workspace.PIECE_CHARS = before
    assert taken.tolist() == tokenizer.encode(text)


@given(text=TEXTS, edits=EDITS)
def test_a_view_stays_as_it_was_whatever_is_typed(text: str, edits: list[tuple[int, int, str, bool]]) -> None:
    document = LiveDocument(letters, START)
    document.update(text)
    document.update(text := text + "ab")
    view, key = document.view(range(0)), np.array([1, 2], TOKEN).tobytes()

    def seen() -> list[list[list[int]]]:
        return [near.rows[near.counts].tolist() for near in view.neighbours(key, 100)]

    before = seen()
    for at, length, new, sort in edits:
        document.update(text := text[:at] + new + text[at + length :])
        if sort:
            document.adopt(document.sort_again())
    assert seen() == before
