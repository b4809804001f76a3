"""Shorten or drop what Python itself does not accept; tree-sitter's grammar accepts more."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.postprocess.shortening import find_sound_region, is_sound, shorten
from cg2ls.completion.syntax.languages import normalize_language
from cg2ls.completion.syntax.region import Region, measure_indentation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_COMPILED_CHARS = 200_000
"""Characters that Python reads to judge one answer; what is not judged by then is not shown."""

_HEADER = re.compile(r"\s*(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b")
"""Beginnings of a line with a block below it."""

_FUNCTION = re.compile(r"(?:async\s+)?def\b")
"""Beginning of a function, after its indentation."""

_PLACE_DEPENDENT = re.compile(r"\s*(?:return|yield|break|continue|nonlocal|global|async|await|from)\b")
"""Beginnings of a line that are valid in certain places only."""


def apply(candidate: Candidate, context: RuleContext) -> Candidate:
    """Shorten what Python does not accept to its longest beginning that it accepts.

    The next line may continue the answer. So a header or a comment at its end counts as having a body, and a `try` as
    having its end. Nothing is changed if Python does not accept the code without the cursor's line. Code for another
    version of Python and a notebook's magic are examples.
    """
    if normalize_language(context.language) != "python" or not candidate.text.strip():
        return candidate
    # without a typed header, nothing on this line can make code below it valid that is indented too deep
    fillers = ("if 1:", "pass") if _HEADER.match(context.cursor.line_before) else ("pass", "pass")
    region = function = find_function(context.region, candidate.text) if context.region else None
    in_block = function is not None and function.margin > 0
    if function is None or not is_sound(function, fillers, partial(python_accepts_again, in_block=in_block)):
        in_block = context.region is not None and context.region.margin > 0
        accepts_again = partial(python_accepts_again, in_block=in_block, as_whole=not in_block)
        region = find_sound_region(context, fillers, accepts_again)
    if region is None:
        return candidate
    # a `return` that the user typed outside of a function is not the answer's fault
    is_whole = region is function or not in_block
    as_whole = is_whole and not _PLACE_DEPENDENT.match(context.cursor.line_before)
    left = MAX_COMPILED_CHARS

    def accepts(code: str) -> bool:
        nonlocal left
        left -= len(code)
        return left >= 0 and python_accepts(code, in_block=in_block, as_whole=as_whole)

    return shorten(candidate, context, region, accepts, _endings)


def find_function(region: Region, text: str) -> Region | None:
    """Return the function around the cursor's line alone, which takes less time to compile.

    The result is None if there is none or the text leaves it. Its margin is the indentation of its first line. What the
    lines around a function decide, such as whether a `nonlocal` has its variable, makes the function alone invalid
    without the cursor's line too.
    """
    above, below = region.above.split("\n")[:-1], region.below.split("\n")[1:]
    outside = measure_indentation(region.line_before + "x")
    for number in range(len(above) - 1, -1, -1):
        written = above[number].lstrip()
        indentation = measure_indentation(above[number])
        if not written or indentation >= outside or written.startswith((")", "]", "}", "#")):
            continue
        if not _FUNCTION.match(written):
            outside = indentation
            continue
        if next(_outside(text.split("\n")[1:], indentation), None) is not None:
            return None
        end = next(_outside(below, indentation), len(below))
        return replace(
            region,
            above="".join(f"{line}\n" for line in above[number:]),
            below="".join(f"\n{line}" for line in below[:end]),
            margin=indentation,
        )
    return None


def _outside(lines: list[str], indentation: int) -> Iterator[int]:
    """Yield the numbers of lines that are not blank and not indented deeper."""
    return (at for at, line in enumerate(lines) if line.strip() and measure_indentation(line) <= indentation)


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


RULE = Rule(
    "check_python",
    "shortens or drops what Python does not accept, if it accepted the code before",
    apply,
)


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
        in_block: whether the first line is indented.
        as_whole: whether a `return` outside of a function and the like count as errors.
    """
    lines = code.splitlines()
    if len(code) > MAX_CHARS or max(map(len, lines), default=0) > MAX_LINE_CHARS:
        return False
    if code.count("lambda") > MAX_LAMBDAS:
        return False
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if as_whole else ast.PyCF_ONLY_AST
    if in_block:
        code = f"if 1:\n{code}"
    try:
        compile(code, FILE_NAME, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return True


python_accepts_again = lru_cache(maxsize=MAX_REMEMBERED)(python_accepts)
"""`python_accepts`, for code that is checked at every key."""
