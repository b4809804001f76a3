"""Python code that Python accepts is still accepted with what is shown."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.postprocess.shortening import shorten, sound_region
from cg2ls.completion.syntax.languages import language_of

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


MAX_CHARS = 20_000
MAX_LINE_CHARS = 2000
MAX_LAMBDAS = 100
"""Beyond these sizes nothing is compiled: Python takes the square of the length for some nested code."""

FILE = "<cg2ls suggestion>"
"""What the code is called, so that warnings about it can be told from others."""

REMEMBERED = 8
"""Pieces of code of which it is remembered whether Python takes them."""

warnings.filterwarnings("ignore", module="<cg2ls suggestion>")


def python_accepts(code: str, *, in_block: bool = False, as_whole: bool = True) -> bool:
    """Whether Python accepts code; False for code that is too large to ask.

    Args:
        code: lines of a file.
        in_block: whether they were cut out of an indented block.
        as_whole: whether a `return` outside of a function and the like matter too; never in lines of a block.
    """
    lines = code.splitlines()
    if len(code) > MAX_CHARS or max(map(len, lines), default=0) > MAX_LINE_CHARS:
        return False
    if code.count("lambda") > MAX_LAMBDAS:
        return False
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if as_whole and not in_block else ast.PyCF_ONLY_AST
    if in_block:
        code = f"if 1:\n{code}"
    try:
        compile(code, FILE, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return True


python_accepts_again = lru_cache(maxsize=REMEMBERED)(python_accepts)
"""`python_accepts`, for code that is asked about at every key."""
