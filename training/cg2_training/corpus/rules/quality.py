"""Documents that no person wrote, or that teach nothing: generated, minified, data, too short, too long."""

from __future__ import annotations

from dataclasses import replace

from cg2_training.corpus import filters
from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.header import strip_banner
from cg2ls.workspace.content import GENERATED, HEAD_CHARACTERS

LONGEST_PARAGRAPH = 20_000
"""Characters; natural language often has a paragraph on one line."""

LEAST_LETTERS = 0.5
"""Of natural language, the least share of the characters that letters and blanks make up."""


def sized(draft: SourceDocument) -> SourceDocument | Dropped:
    """Neither a stub nor a data file."""
    size = len(draft.text.encode())
    if size < filters.MIN_BYTES:
        return Dropped("too small")
    return Dropped("too large") if size > filters.MAX_BYTES else draft


def written_by_people(draft: SourceDocument) -> SourceDocument | Dropped:
    """Not generated, minified or mostly numbers, as far as its kind of document allows to say."""
    text = draft.text
    if draft.content == "text":
        return _prose(draft)
    if filters.is_generated(text) or GENERATED.search(text, 0, HEAD_CHARACTERS):
        return Dropped("generated")
    lines = text.split("\n")
    if max(map(len, lines)) > filters.MAX_LINE or len(text) / len(lines) > filters.MAX_MEAN_LINE:
        return Dropped("long lines")
    return Dropped("mostly digits") if filters.digit_share(text.encode()) > filters.MAX_DIGITS else draft


def python_parses(draft: SourceDocument) -> SourceDocument | Dropped:
    """Python must parse; a long licence comment at its top is taken off."""
    if draft.language != "python":
        return draft
    if not filters.parses(draft.text):
        return Dropped("does not parse")
    return replace(draft, data=strip_banner(draft.text))


def _prose(draft: SourceDocument) -> SourceDocument | Dropped:
    text = draft.text
    if max(map(len, text.split("\n"))) > LONGEST_PARAGRAPH:
        return Dropped("long lines")
    letters = sum(character.isalpha() or character.isspace() for character in text)
    return Dropped("mostly symbols") if letters < LEAST_LETTERS * len(text) else draft
