"""A string that the answer begins is ended in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.languages import language_of
from cg2ls.completion.rules.rule import Rule
from cg2ls.completion.strings import open_string
from cg2ls.completion.syntax.region import region_of

if TYPE_CHECKING:
    from cg2ls.completion.rules.rule import Draft, Situation


def apply(draft: Draft, at: Situation) -> Draft:
    """Ends a string of several lines that the text begins and leaves open, or drops it if nothing is written in it.

    Another rule ended the answer in it: at a blank line of a docstring, or at the line's end.
    """
    region = region_of(at.cursor)
    if region is None or at.cursor.mid_line:
        return draft
    before = region.above + region.line_before
    language = language_of(at.language)
    found = open_string(before + draft.text, language)
    if found is None or not found.may_have_lines or found.offset < len(before):
        return draft
    begin = found.offset - len(before)
    if not draft.text[begin + len(found.quote) :].strip():
        return draft.until(draft.text[:begin].rstrip())
    if found.quote in region.line_after:
        return draft
    return draft.with_text(draft.text.rstrip() + found.quote)


RULE = Rule("balance_strings", "a docstring or other string of several lines that it begins is ended", apply)
