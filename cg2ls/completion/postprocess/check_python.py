"""Python code that Python accepts is still accepted with what is shown."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.postprocess.shortening import shorten, sound_region
from cg2ls.completion.syntax.languages import language_of
from cg2ls.completion.syntax.python import python_accepts, python_accepts_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.region import Region

MAX_COMPILED_CHARS = 200_000
"""Characters that Python reads to judge one answer; what was not judged by then is not shown."""

_HEADER = re.compile(r"\s*(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b")
"""Beginnings of a line that has a block below."""

_BOUND = re.compile(r"\s*(?:return|yield|break|continue|nonlocal|global|async|await|from)\b")
"""Beginnings of a line that make sense in some places only."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Shortens what Python does not accept to its longest beginning that it does.

    A header or a comment at the answer's end counts as having a body below, and a `try` as having its end: the next
    line is theirs. Nothing is changed where Python does not accept the code without the cursor's line, as in code for
    another version of Python or in a notebook's magic.
    """
    if language_of(at.language) != "python" or not draft.text.strip():
        return draft
    in_block = at.region is not None and at.region.margin > 0
    # without a typed header, nothing on this line makes code below it right that is too deep
    fillers = ("if 1:", "pass") if _HEADER.match(at.cursor.line_before) else ("pass", "pass")
    region = sound_region(at, fillers, partial(python_accepts_again, in_block=in_block))
    if region is None:
        return draft
    # a `return` that somebody typed outside of a function is not the answer's fault
    as_whole = not _BOUND.match(at.cursor.line_before)
    left = MAX_COMPILED_CHARS

    def accepts(code: str) -> bool:
        nonlocal left
        left -= len(code)
        return left >= 0 and python_accepts(code, in_block=in_block, as_whole=as_whole)

    return shorten(draft, at, region, accepts, _endings)


def _endings(region: Region, text: str) -> Iterator[str]:
    """What the next lines may be: more of the block, the body of a header, the ends of `try`s."""
    lines = (region.line_before + text).split("\n")
    blanks = _blanks(lines[-1])
    bodies = [f"\n{blanks}pass", f"\n{blanks}    pass"]
    yield from bodies
    tries = [_blanks(line) for line in lines if line.strip() == "try:"]
    if tries:
        ends = "".join(f"\n{blanks}finally:\n{blanks}    pass" for blanks in reversed(tries))
        yield from (body + ends for body in ("", *bodies))


def _blanks(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


RULE = Rule(
    "check_python",
    "what Python does not accept is shortened or dropped, if it accepted the code before",
    apply,
)
