"""A string that the answer begins is ended in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.syntax.languages import language_of
from cg2ls.completion.syntax.unclosed import open_string

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.unclosed import OpenString

QUOTES = ('"""', "'''", "`")
"""What begins a string of several lines."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends a string of several lines that the text begins and leaves open, or drops it if nothing is written in it.

    Another rule ended the answer in it: at a blank line of a docstring, or at the line's end.
    """
    if not any(quote in draft.text for quote in QUOTES) or at.cursor.mid_line:
        return draft
    region = at.region
    if region is None or at.grammar is None:
        return draft
    before = region.above + region.line_before
    language = language_of(at.language)
    found = open_string(before + draft.text, language)
    if found is None or not found.may_have_lines or found.offset < len(before):
        return draft
    begin = found.offset - len(before)
    if not draft.text[begin + len(found.quote) :].strip():
        balanced = draft.until(draft.text[:begin].rstrip())
    elif found.quote in region.line_after:
        return draft
    else:
        text = draft.text.rstrip()
        balanced = draft.with_text(text + _end(before + text, found))
    # the quotes may have ended a string that began out of sight
    is_sound = at.grammar.parses(region.with_text(balanced.text, balanced.replace_length))
    return balanced if is_sound else draft


def _end(code: str, string: OpenString) -> str:
    """What ends a string: its quotes, on a line of their own where it is a docstring of several lines."""
    begin = code.rfind("\n", 0, string.offset) + 1
    blanks = code[begin : string.offset]
    is_block = not blanks.strip() and len(string.quote) == 3 and "\n" in code[string.offset :]
    return f"\n{blanks}{string.quote}" if is_block else string.quote


RULE = Rule("balance_strings", "a docstring or other string of several lines that it begins is ended", apply)
