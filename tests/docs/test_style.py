"""Sentences of the pages are short."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name_of

sys.path.insert(0, str(ROOT / "tools"))

from code_figures import MAX_SENTENCE_WORDS, sentences_of, words_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_sentence_is_long(page: Path) -> None:
    sentences = [re.sub(r"\]\([^)]*\)", "]", sentence) for sentence in sentences_of(page)]
    assert [each for each in sentences if words_of(each) > MAX_SENTENCE_WORDS] == []


def test_a_long_sentence_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Short. {'word ' * 30}.\n\n    {'code ' * 30}\n")
    assert [words_of(each) > MAX_SENTENCE_WORDS for each in sentences_of(page)][:2] == [False, True]
