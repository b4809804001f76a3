"""What an answer leaves open on the cursor's line: brackets and strings, which somebody will close.

Someone who types `f(` or `\"\"\"` gets the other half from the editor or writes it in the next line, so code that lacks
no more than that counts as whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.unclosed import CLOSERS, OPENERS, unbalanced
from cg2ls.completion.syntax.languages import language_of
from cg2ls.completion.syntax.strings import open_string

if TYPE_CHECKING:
    from cg2ls.completion.syntax.region import Region


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
