"""Rules that shorten an answer which breaks the code around it, as a parser or Python itself judges."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.grammar import ParserSteps
from cg2ls.completion.syntax.region import find_function
from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS, find_open_string, find_unbalanced
from cg2ls.workspace.languages import normalize_language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.region import Region

    Parses = Callable[[str], bool]
    """Returns whether code is known to have no error."""

MAX_SHORTER_TEXTS = 8
"""Number of beginnings of an answer that are tried; code with errors parses slowly."""

_TOKEN_END = re.compile(r"(?<=\w)(?!\w)|(?<=[^\w\s])")


def find_sound_region(context: RuleContext, fillers: tuple[str, str], parses: Parses) -> Region | None:
    """Return the smallest region around the cursor that parses without the cursor's line; None if none does.

    Args:
        context: the place.
        fillers: code that may replace a line, before a deeper indented line and elsewhere.
        parses: judges code; called for the same code at every key.
    """
    whole = context.region
    if whole is None:
        return None
    return next((each for each in (whole.closest, whole) if is_sound(each, fillers, parses)), None)


def is_sound(region: Region, fillers: tuple[str, str], parses: Parses) -> bool:
    """Return whether a region parses without the cursor's line; the arguments are those of `find_sound_region`."""
    return any(map(parses, _remove_line(region, fillers)))


def shorten(
    candidate: Candidate,
    context: RuleContext,
    region: Region,
    parses: Parses,
    endings: Callable[[Region, str], Iterable[str]] = lambda _, __: (),
) -> Candidate:
    """Shorten a text to its longest beginning that parses, line by line, then token by token.

    Brackets and strings that are left open on the line count as closed. If the model itself ended the answer, those
    that the answer opened are closed in the text shown, because no next line follows.

    Args:
        candidate: the text.
        context: its place.
        region: code around it that parses without the cursor's line.
        parses: judges code.
        endings: returns what may follow a text to make it whole.
    """

    def is_whole(text: str, replace_length: int, closers: str) -> bool:
        more = ["", closers, *(closers + ending for ending in endings(region, text + closers))]
        return any(parses(region.with_text(text + each, replace_length)) for each in dict.fromkeys(more))

    if parses(region.with_text(candidate.text, candidate.replace_length)):
        return candidate
    ends = find_open_ends(
        region,
        candidate.text,
        candidate.replace_length,
        context.language,
        ended_by_model=candidate.ended_by_model,
    )
    if is_whole(candidate.text, candidate.replace_length, ends.closers):
        return candidate.with_text(candidate.text + ends.own) if candidate.ended_by_model else candidate
    for shorter in islice(_shorter_texts(candidate.text), MAX_SHORTER_TEXTS):
        if is_whole(
            shorter, 0, find_open_ends(region, shorter, 0, context.language, ended_by_model=False).closers
        ):
            return candidate.until(shorter)
    return candidate.until("")


def _remove_line(region: Region, fillers: tuple[str, str]) -> Iterator[str]:
    """Yield the region without the answer: unchanged if its line is blank, and with fillers for that line."""
    if not (region.line_before + region.line_after).strip():
        yield region.with_text("")
    for filler in _find_fillers(fillers, region):
        yield region.without_line(filler)


def _find_fillers(fillers: tuple[str, str], region: Region) -> Iterator[str]:
    """Yield what may replace the cursor's line: its brackets, nothing in a list, or a filler of the language."""
    line = region.line_before + region.line_after
    found = find_unbalanced(line)
    if brackets := "".join(line[at] for at in (*found.unopened, *found.open)):
        yield brackets
    if region.above.rstrip().endswith((",", *OPENERS)):  # the line is an item of a list
        yield ""
    else:
        yield fillers[not region.holds_deeper_line_below]


def _shorter_texts(text: str) -> Iterator[str]:
    """Yield beginnings of a text, the longest first: whole lines, then tokens of the first line with text."""
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


@dataclass(frozen=True)
class OpenEnds:
    """Closers that a text at a cursor lacks.

    Attributes:
        closers: for all that is open at the end of the text, the innermost first.
        own: those of them whose openers are in the text itself.
    """

    closers: str = ""
    own: str = ""


def find_open_ends(
    region: Region, text: str, replace_length: int, language: str, *, ended_by_model: bool
) -> OpenEnds:
    """Find what is open at the end of a text: on the cursor's line and in the text.

    The user or the editor will close these, so code that lacks only them counts as whole. This holds for a string that
    the text itself begins only if the model ended the answer in it.

    Args:
        region: code around the cursor.
        text: text at the cursor.
        replace_length: number of characters after the cursor that it replaces.
        language: LSP id of the document's language.
        ended_by_model: whether the model ended the text.
    """
    begin = len(region.line_before)
    written = region.line_before + text
    line = written + region.line_after[replace_length:]
    string = find_open_string(written, normalize_language(language))
    closers: list[tuple[int, str]] = []
    if (
        string
        and (ended_by_model or string.offset < begin)
        and string.quote not in region.line_after[replace_length:]
    ):
        closers.append((string.offset, string.quote))
        line = line[: string.offset]
    ends = [at for at in find_unbalanced(line).open if at < len(written)]
    closers += [(at, CLOSERS[OPENERS.index(line[at])]) for at in reversed(ends)]
    return OpenEnds(
        "".join(closer for _, closer in closers), "".join(closer for at, closer in closers if at >= begin)
    )


MAX_ANSWER_STEPS = 1200
"""Progress reports of tree-sitter that judging one answer may take (`cg2ls.completion.syntax.grammar`)."""


def keep_parsable(candidate: Candidate, context: RuleContext) -> Candidate:
    """Shorten what breaks the parse to its longest beginning that does not.

    Nothing is changed in code that does not parse without the cursor's line. Nothing is shown if judging the answer
    would take too many steps.
    """
    if context.grammar is None or not candidate.text.strip():
        return candidate
    grammar, steps = context.grammar, ParserSteps(MAX_ANSWER_STEPS)
    region = find_sound_region(context, grammar.wheel.fillers, grammar.parses_again)
    if region is None:
        return candidate
    return shorten(
        candidate, context, region, lambda code: not steps.are_used_up and grammar.parses(code, steps)
    )


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
