"""Shortening what breaks the code around it, for the rules that judge by a parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.languages import language_of
from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS, open_string, unbalanced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext
    from cg2ls.completion.syntax.region import Region

    Parses = Callable[[str], bool]
    """Whether code is known to have no error."""


MAX_TRIES = 8
"""Shorter beginnings of an answer that are tried; code with errors parses slowly."""

_TOKEN_END = re.compile(r"(?<=\w)(?!\w)|(?<=[^\w\s])")


def sound_region(at: RuleContext, fillers: tuple[str, str], parses: Parses) -> Region | None:
    """The least piece around the cursor that parses without its line; None if none does.

    Args:
        at: the place.
        fillers: what may stand for a line, before a deeper indented line and elsewhere.
        parses: judges code; asked for the same code at every key.
    """
    whole = at.region
    if whole is None:
        return None
    for region in (whole.closest, whole):
        if any(map(parses, _without_answer(region, fillers))):
            return region
    return None


def shorten(
    draft: Candidate,
    at: RuleContext,
    region: Region,
    parses: Parses,
    endings: Callable[[Region, str], Iterable[str]] = lambda _, __: (),
) -> Candidate:
    """Shortens a text to its longest beginning that parses, line by line, then token by token.

    Brackets and strings that are left open on the line count as closed. Where the model itself ended the answer,
    those that it opened are closed in what is shown, since no next line comes.

    Args:
        draft: the text.
        at: its place.
        region: of code around it that parses without the cursor's line.
        parses: judges code.
        endings: more that may follow a text to make it whole.
    """

    def may_stand(text: str, replace_length: int, closers: str) -> bool:
        more = ["", closers, *(closers + ending for ending in endings(region, text + closers))]
        return any(parses(region.with_text(text + each, replace_length)) for each in dict.fromkeys(more))

    if parses(region.with_text(draft.text, draft.replace_length)):
        return draft
    ends = open_ends(region, draft.text, draft.replace_length, at.language, by_model=draft.by_model)
    if may_stand(draft.text, draft.replace_length, ends.closers):
        return draft.with_text(draft.text + ends.own) if draft.by_model else draft
    for shorter in islice(_shorter(draft.text), MAX_TRIES):
        if may_stand(shorter, 0, open_ends(region, shorter, 0, at.language, by_model=False).closers):
            return draft.until(shorter)
    return draft.until("")


def _without_answer(region: Region, fillers: tuple[str, str]) -> Iterator[str]:
    """What the region was before: as it is where its line is blank, and with something in that line's place."""
    if not (region.line_before + region.line_after).strip():
        yield region.with_text("")
    for filler in _fillers(fillers, region):
        yield region.without_line(filler)


def _fillers(fillers: tuple[str, str], region: Region) -> Iterator[str]:
    """What may stand in place of the cursor's line: its brackets, nothing in a list, or the language's own filler."""
    line = region.line_before + region.line_after
    found = unbalanced(line)
    if brackets := "".join(line[at] for at in (*found.unopened, *found.open)):
        yield brackets
    if region.above.rstrip().endswith((",", *OPENERS)):  # the line is one of a list's
        yield ""
    else:
        yield fillers[not region.holds_deeper_line_below]


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


@dataclass(frozen=True)
class OpenEnds:
    """What closes a text at a cursor.

    Attributes:
        closers: of all that is open at the text's end, the innermost first.
        own: those of them whose other halves stand in the text itself.
    """

    closers: str = ""
    own: str = ""


def open_ends(region: Region, text: str, replace_length: int, language: str, *, by_model: bool) -> OpenEnds:
    """Finds what is open at the end of a text at the cursor, in its line and in the text's.

    A string that the text began itself is a half one, unless the model ended the answer in it.

    Args:
        region: around the cursor.
        text: at the cursor.
        replace_length: characters right of the cursor that it takes the place of.
        language: LSP id of the document's language.
        by_model: whether the model ended the text.
    """
    begin = len(region.line_before)
    written = region.line_before + text
    line = written + region.line_after[replace_length:]
    string = open_string(written, language_of(language))
    closers: list[tuple[int, str]] = []
    if (
        string
        and (by_model or string.offset < begin)
        and string.quote not in region.line_after[replace_length:]
    ):
        closers.append((string.offset, string.quote))
        line = line[: string.offset]
    ends = [at for at in unbalanced(line).open if at < len(written)]
    closers += [(at, CLOSERS[OPENERS.index(line[at])]) for at in reversed(ends)]
    return OpenEnds(
        "".join(closer for _, closer in closers), "".join(closer for at, closer in closers if at >= begin)
    )
