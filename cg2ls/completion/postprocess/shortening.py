"""Shorten answers that break the code around them, for the rules that use a parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.languages import normalize_language
from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS, find_open_string, find_unbalanced

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
    """Yield the region without the answer: as it is if its line is blank, and with fillers for that line."""
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
