"""Inside a word, the rest of the word is not written again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.drop_repeated_rest import MATTERS
from cg2ls.completion.postprocess.reconcile_closers import reconcile
from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.prompt.cursor import CLOSERS

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.prompt.cursor import Cursor

NEAR = 20_000
"""Characters before and after the cursor in which a word is looked for."""

_WORD = re.compile(r"\w*")


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Has the text take the place of the word's rest where it goes on behind that, and drops what adds nothing.

    A text that is only a part of a word goes in front of the rest, if the word that this makes stands elsewhere near.
    One that ends the word otherwise than it stands is dropped: it would delete what somebody wrote.
    """
    cursor = at.cursor
    rest = _WORD.match(cursor.line_after).group()  # type: ignore[union-attr]  # it matches nothing, too
    if not rest or not _ends_in_word(cursor.line_before):
        return draft
    word = _WORD.match(draft.text).group()  # type: ignore[union-attr]
    more, right = draft.text[len(word) :], cursor.line_after[len(rest) :]
    holds_rest = word.startswith(rest) or word.endswith(rest)
    if not more.strip() and not holds_rest:
        return draft if draft.text.strip() == word and _stands_near(cursor, word + rest) else draft.until("")
    if not holds_rest:
        return draft.until("")
    more, replace_length = _what_is_new(more, right)
    if not more and word.endswith(rest):
        return draft.until(word[: len(word) - len(rest)])
    return replace(draft, text=word + more, replace_length=len(rest) + replace_length)


def _stands_near(cursor: Cursor, end: str) -> bool:
    """Whether the word that the cursor stands in, with another end, stands somewhere around."""
    begin = re.search(r"\w*\Z", cursor.line_before)
    assert begin
    around = cursor.text[max(0, cursor.offset - NEAR) : cursor.offset + NEAR]
    return re.search(rf"\b{re.escape(begin.group() + end)}\b", around) is not None


def _ends_in_word(line: str) -> bool:
    return line[-1:].isalnum() or line.endswith("_")


def _what_is_new(more: str, right: str) -> tuple[str, int]:
    """What goes between a word and the text right of it, and how many characters of that it replaces."""
    if not more.strip():
        return "", 0
    if CLOSERS.fullmatch(right):
        text, replace_length = reconcile(more.rstrip(), right)
        return (text if text.strip() else ""), replace_length
    at = more.find(right.rstrip()) if len(right.strip()) >= MATTERS else -1
    return (more[:at] if at > 0 else ""), 0


RULE = Rule("skip_rest_of_word", "inside a word, its rest is not written again", apply)
