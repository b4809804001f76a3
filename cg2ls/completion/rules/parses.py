"""Code that parsed still parses with what is shown."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.brackets import CLOSERS, OPENERS, unbalanced
from cg2ls.completion.rules.rule import Rule
from cg2ls.completion.syntax.region import region_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.rules.rule import Draft, Situation
    from cg2ls.completion.syntax.grammar import Grammar
    from cg2ls.completion.syntax.region import Region

MOST_TRIES = 16
"""Shorter beginnings of an answer that are tried."""

MOST_SECONDS = 0.02
"""Time for them; code with errors parses slowly."""

_TOKEN_END = re.compile(r"(?<=\w)(?!\w)|(?<=[^\w\s])")


def apply(draft: Draft, at: Situation) -> Draft:
    """Shortens what breaks the parse to its longest beginning that does not, line by line, then token by token.

    Brackets that are left open count as closed: someone who types `f(` gets the closer from the editor or from the
    next line. Where the model itself ended the answer they are closed in what is shown, since no next line comes.
    Nothing is changed in code that does not parse without the answer either.
    """
    if at.grammar is None or not draft.text.strip():
        return draft
    region = region_of(at.cursor)
    if at.grammar.parses(region.with_text(draft.text, draft.covers)):
        return draft
    closers = _open(region.line_before + draft.text, len(region.line_before))
    if closers and at.grammar.parses(region.with_text(draft.text + closers, draft.covers)):
        return draft.with_text(draft.text + closers) if draft.by_model else draft
    if not _parsed_before(at.grammar, region):
        return draft
    until = perf_counter() + MOST_SECONDS
    for number, shorter in enumerate(_shorter(draft.text)):
        if number == MOST_TRIES or perf_counter() > until:
            break
        if _may_stand(at.grammar, region, shorter):
            return draft.until(shorter)
    return draft.until("")


def _parsed_before(grammar: Grammar, region: Region) -> bool:
    """Whether the region parses as it is, or with the cursor's line left out."""
    deeper, elsewhere = grammar.wheel.fillers
    filler = deeper if region.holds_deeper_line_below else elsewhere
    candidates = dict.fromkeys((region.without_line(filler), region.with_text(""), region.without_line("")))
    return any(grammar.parses(code) for code in candidates)


def _may_stand(grammar: Grammar, region: Region, text: str) -> bool:
    closers = _open(region.line_before + text, len(region.line_before))
    return any(grammar.parses(region.with_text(text + more)) for more in dict.fromkeys(("", closers)))


def _open(code: str, start: int) -> str:
    """Closers of the brackets that are open at the end of `code` and were opened behind `start`, innermost first."""
    opened = [at for at in unbalanced(code).open if at >= start]
    return "".join(CLOSERS[OPENERS.index(code[at])] for at in reversed(opened))


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
