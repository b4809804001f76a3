"""Code that parsed still parses with what is shown."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from cg2ls.completion.brackets import CLOSERS, OPENERS, unbalanced
from cg2ls.completion.rules.rule import Rule
from cg2ls.completion.syntax.region import region_of
from cg2ls.completion.syntax.steps import ParserSteps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.rules.rule import Draft, Situation
    from cg2ls.completion.syntax.grammar import Grammar
    from cg2ls.completion.syntax.region import Region

MOST_TRIES = 8
"""Shorter beginnings of an answer that are tried; code with errors parses slowly."""

MAX_STEPS = 1200
"""Reports of tree-sitter that judging one answer may take (`cg2ls.completion.syntax.steps`)."""

_TOKEN_END = re.compile(r"(?<=\w)(?!\w)|(?<=[^\w\s])")


def apply(draft: Draft, at: Situation) -> Draft:
    """Shortens what breaks the parse to its longest beginning that does not, line by line, then token by token.

    Brackets that are left open on the line count as closed: someone who types `f(` gets the closer from the editor or
    from the next line. Where the model itself ended the answer, those that it opened are closed in what is shown,
    since no next line comes. Nothing is changed in code that does not parse without the cursor's line.
    """
    if at.grammar is None or not draft.text.strip():
        return draft
    region = _sound_region(at)
    steps = ParserSteps(MAX_STEPS)
    if region is None or at.grammar.parses(region.with_text(draft.text, draft.covers), steps):
        return draft
    closers = _open(region, draft.text, draft.covers)
    if closers and at.grammar.parses(region.with_text(draft.text + closers, draft.covers), steps):
        return draft.with_text(draft.text + _own(closers, draft.text)) if draft.by_model else draft
    for shorter in islice(_shorter(draft.text), MOST_TRIES):
        if steps.are_used_up:
            break
        if _may_stand(at.grammar, region, shorter, steps):
            return draft.until(shorter)
    return draft.until("")


def _sound_region(at: Situation) -> Region | None:
    """The least piece around the cursor that parses without its line; None if none does."""
    assert at.grammar is not None
    whole = region_of(at.cursor)
    if whole is None:
        return None
    for region in (whole.closest, whole):
        fillers = _fillers(at.grammar, region)
        if any(at.grammar.parses_again(region.without_line(filler)) for filler in fillers):
            return region
    return None


def _fillers(grammar: Grammar, region: Region) -> Iterator[str]:
    """What may stand in place of the cursor's line: its brackets, nothing in a list, or the language's own filler."""
    line = region.line_before + region.line_after
    found = unbalanced(line)
    if brackets := "".join(line[at] for at in (*found.unopened, *found.open)):
        yield brackets
    if region.above.rstrip().endswith((",", *OPENERS)):  # the line is one of a list's
        yield ""
    else:
        yield grammar.wheel.fillers[not region.holds_deeper_line_below]


def _may_stand(grammar: Grammar, region: Region, text: str, steps: ParserSteps) -> bool:
    closers = _open(region, text, 0)
    return any(grammar.parses(region.with_text(text + more), steps) for more in dict.fromkeys(("", closers)))


def _open(region: Region, text: str, covers: int) -> str:
    """Closers of the brackets that are open at the end of the cursor's line with a text on it, innermost first."""
    line = region.line_before + text + region.line_after[covers:]
    end = len(region.line_before) + len(text)
    return "".join(CLOSERS[OPENERS.index(line[at])] for at in reversed(unbalanced(line).open) if at < end)


def _own(closers: str, text: str) -> str:
    """Those of the closers whose brackets the text opens itself."""
    return closers[: len(unbalanced(text).open)]


def _shorter(text: str) -> Iterator[str]:
    """Beginnings of a text, the longest first: by lines, then by tokens of the first line with anything on it."""
    lines = text.split("\n")
    for count in range(len(lines) - 1, 0, -1):
        if "".join(lines[:count]).strip():
            yield "\n".join(lines[:count])
    first = next(number for number, line in enumerate(lines) if line.strip())
    head = "".join(f"{line}\n" for line in lines[:first])
    ends = [found.start() for found in _TOKEN_END.finditer(lines[first])]
    for end in reversed(ends):
        if 0 < end < len(lines[first]):
            yield head + lines[first][:end]


RULE = Rule("parses", "what breaks the parse is shortened or dropped, if the code parsed before", apply)
