"""Places where the user may want a completion next: where they were, where they edited, the end of the open block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.snapshot import units

if TYPE_CHECKING:
    from cg2ls.server.snapshot import Encoding, Snapshot

Place = tuple[str, types.Position]
"""A document's URI and a position in it."""

MAX_DOCUMENTS = 100
"""Documents whose places are remembered, also after they are closed."""

MAX_PLACES = 3
"""Places that are remembered in one document."""

NEAR_LINES = 20
"""Lines between two places from which on they are different visits."""

SHORT_LINES, SHORT_CHARS = 100, 2000
"""Limits of a document whose every place has a prompt that begins with the document: about half of a window."""

MAX_BLOCK_LINES = 200
"""Lines in which the end of a block is looked for."""


def are_near(one: Place, other: Place) -> bool:
    """Return whether two places belong to the same visit."""
    return one[0] == other[0] and abs(one[1].line - other[1].line) <= NEAR_LINES


class LikelyPlaces:
    """Memory of places; those of one document are far apart."""

    def __init__(self) -> None:
        self._places: dict[str, list[types.Position]] = {}

    def last_in(self, uri: str) -> types.Position | None:
        """Return the place where the user was last in a document; None if unknown."""
        found = self._places.get(uri)
        return found[-1] if found else None

    def note(self, place: Place) -> None:
        """Remember a place as the newest one; places near it are forgotten."""
        uri, position = place
        kept = [each for each in self._places.pop(uri, ()) if not are_near((uri, each), place)]
        self._places[uri] = [*kept[1 - MAX_PLACES :], position]
        if len(self._places) > MAX_DOCUMENTS:
            del self._places[next(iter(self._places))]

    def edited(
        self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent], encoding: Encoding
    ) -> types.Position | None:
        """Follow edits: move the places below them and remember where the last one ends.

        Args:
            uri: URI of the document.
            changes: in their order.
            encoding: kind of code units of the columns.

        Returns:
            The end of the last change; None if it replaced the whole document, which tells no place.
        """
        position = None
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangeWholeDocument):
                position = None
                continue
            lines = change.text.split("\n")
            start, end = change.range.start, change.range.end
            column = units(lines[-1], encoding) + (start.character if len(lines) == 1 else 0)
            position = types.Position(start.line + len(lines) - 1, column)
            moved = position.line - end.line
            for each in self._places.get(uri, ()) if moved else ():
                if each.line > end.line:
                    each.line += moved
        if position is not None:
            self.note((uri, position))
        return position

    @staticmethod
    def end_if_short(snapshot: Snapshot) -> types.Position | None:
        """Return the end of a short document: what is read there serves all its places; None for a long one."""
        lines = snapshot.lines
        if len(lines) > SHORT_LINES or sum(map(len, lines)) > SHORT_CHARS:
            return None
        return types.Position(len(lines) - 1, units(lines[len(lines) - 1], snapshot.encoding))

    def after(self, place: Place, snapshot: Snapshot) -> Iterator[Place]:
        """Yield places where the user may go from one, the likeliest first.

        Args:
            place: where the user is.
            snapshot: its document.
        """
        uri = place[0]
        others = [each for each in reversed(self._places.get(uri, ())) if not are_near((uri, each), place)]
        other_documents = [each for each in reversed(self._places) if each != uri]
        yield from ((uri, each) for each in others[:1])
        yield from ((each, self._places[each][-1]) for each in other_documents[:1])
        end = find_block_end(snapshot, place[1].line)
        if end is not None and not are_near((uri, end), place):
            yield uri, end


def find_block_end(snapshot: Snapshot, line: int) -> types.Position | None:
    """Return the end of the last line of the block that a line is in; None if it ends on that line.

    The block goes on while lines are blank or indented at least as deep.

    Args:
        snapshot: the document.
        line: number of the line.
    """
    lines = snapshot.lines
    if line >= len(lines):
        return None
    depth, last = _indentation(lines[line]), line
    for number in range(line + 1, min(len(lines), line + MAX_BLOCK_LINES)):
        text = lines[number]
        if text.strip():
            if _indentation(text) < depth:
                break
            last = number
    if last == line or not depth:
        return None
    return types.Position(last, units(lines[last].rstrip("\r\n"), snapshot.encoding))


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
