"""Shorten or drop what Python itself does not accept; tree-sitter's grammar accepts more."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.shortening import find_sound_region, shorten
from cg2ls.completion.syntax.languages import normalize_language

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.region import Region


MAX_COMPILED_CHARS = 200_000
"""Characters that Python reads to judge one answer; what is not judged by then is not shown."""

_HEADER = re.compile(r"\s*(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b")
"""Beginnings of a line with a block below it."""

_PLACE_DEPENDENT = re.compile(r"\s*(?:return|yield|break|continue|nonlocal|global|async|await|from)\b")
"""Beginnings of a line that are valid in certain places only."""


def check_python(candidate: Candidate, context: RuleContext) -> Candidate:
    """Shorten what Python does not accept to its longest beginning that it accepts.

    The next line may continue the answer. So a header or a comment at its end counts as having a body, and a `try` as
    having its end. Nothing is changed if Python does not accept the code without the cursor's line. Code for another
    version of Python and a notebook's magic are examples.
    """
    if normalize_language(context.language) != "python" or not candidate.text.strip():
        return candidate
    in_block = context.region is not None and context.region.margin > 0
    # without a typed header, nothing on this line can make code below it valid that is indented too deep
    fillers = ("if 1:", "pass") if _HEADER.match(context.cursor.line_before) else ("pass", "pass")
    region = find_sound_region(context, fillers, partial(python_accepts_again, in_block=in_block))
    if region is None:
        return candidate
    # a `return` that the user typed outside of a function is not the answer's fault
    as_whole = not _PLACE_DEPENDENT.match(context.cursor.line_before)
    left = MAX_COMPILED_CHARS

    def accepts(code: str) -> bool:
        nonlocal left
        left -= len(code)
        return left >= 0 and python_accepts(code, in_block=in_block, as_whole=as_whole)

    return shorten(candidate, context, region, accepts, _endings)


def _endings(region: Region, text: str) -> Iterator[str]:
    """Yield what the next lines may be: more of the block, the body of a header, the ends of `try`s."""
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


MAX_CHARS = 20_000
MAX_LINE_CHARS = 2000
MAX_LAMBDAS = 100
"""Larger code is not compiled: for some nested code, Python takes time in the square of the length."""

FILE_NAME = "<cg2ls suggestion>"
"""File name of the compiled code, by which its warnings are recognised."""

MAX_REMEMBERED = 8
"""Number of pieces of code for which the result is kept."""

warnings.filterwarnings("ignore", module="<cg2ls suggestion>")


def python_accepts(code: str, *, in_block: bool = False, as_whole: bool = True) -> bool:
    """Return whether Python accepts code; False for code that is too large to compile.

    Args:
        code: lines of a file.
        in_block: whether the lines come from an indented block.
        as_whole: whether a `return` outside of a function and the like count as errors; never in lines of a block.
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
        compile(code, FILE_NAME, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return True


python_accepts_again = lru_cache(maxsize=MAX_REMEMBERED)(python_accepts)
"""`python_accepts`, for code that is checked at every key."""
