"""Whether a shown completion was accepted, read off the edits that follow; no client has to tell.

Editors insert the whole text at once, or its next word or line. Someone who types it inserts a character or two at
a time. So text that appears where a completion was shown, and is what was shown, counts as accepted if one change
brought all that was left, or at least `LEAST_PART` characters up to the end of a word or line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

LEAST_PART = 3
"""Characters; a client that reports fast typing late may well send two keys in one change."""

TextFrom = Callable[[types.Position, int], str]
"""The document's text from a position on, of at most so many characters."""


@dataclass(frozen=True)
class Taken:
    """What one edit took over of a completion: how many characters, whether these were the last, or the first."""

    characters: int
    whole: bool
    first: bool


@dataclass
class Shown:
    """One completion a client may be showing.

    Attributes:
        position: where its text begins in the document.
        text: of it.
        language: LSP id of the document's language.
        model: name of the model it came from.
        others: texts that can be chosen in its place.
        progress: characters of it that stand in the document.
        parts: times a part of it was accepted.
    """

    position: types.Position
    text: str
    language: str
    model: str
    others: tuple[str, ...] = ()
    progress: int = 0
    parts: int = 0

    @property
    def rest(self) -> str:
        """What is left of it."""
        return self.text[self.progress :]

    def is_continued_by(self, text: str) -> bool:
        """Whether another answer is the same completion, shown again after a part of it was typed."""
        return bool(self.rest) and (self.rest.startswith(text) or text.startswith(self.rest))

    def edited(
        self, changes: Sequence[types.TextDocumentContentChangeEvent], text_from: TextFrom
    ) -> tuple[Taken | None, bool]:
        """Follows an edit.

        Args:
            changes: of one notification, already applied.
            text_from: of the document after them.

        Returns:
            What was taken over, None if nothing; and whether the completion may still be there.
        """
        inserted = 0
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangeWholeDocument):
                return None, False
            if _before(change.range.start, self.position):
                return None, False
            inserted += len(change.text)
        if inserted and self.others:
            self._choose(text_from)
        stands = self._standing(text_from)
        came = min(stands - self.progress, inserted)
        if came <= 0:
            self.progress = min(self.progress, stands)
            return None, not inserted
        self.progress = stands if stands == len(self.text) else self.progress + came
        taken = self._taken(came)
        if taken is not None:
            self.parts += 1
        return taken, bool(self.rest)

    def _choose(self, text_from: TextFrom) -> None:
        """Becomes the one of which most stands in the document, itself if another has no more."""
        texts = (self.text, *self.others)
        self.text = max(texts, key=lambda text: replace(self, text=text)._standing(text_from))
        self.others = tuple(text for text in texts if text != self.text)

    def _standing(self, text_from: TextFrom) -> int:
        """How many characters of it stand in the document, line ends of either kind being the same.

        What stood there before, as a line end or a closer, may be among them.
        """
        stands = text_from(self.position, len(self.text) + self.text.count("\n")).replace("\r\n", "\n")
        pairs = enumerate(zip(stands, self.text, strict=False))
        return next((index for index, (ours, its) in pairs if ours != its), min(len(stands), len(self.text)))

    def _taken(self, came: int) -> Taken | None:
        whole = not self.rest
        if not (came > 1 if whole else came >= LEAST_PART and self._ends_part()):
            return None
        return Taken(came, whole, self.parts == 0)

    def _ends_part(self) -> bool:
        last, following = self.text[self.progress - 1], self.rest[0]
        return "\n" in (last, following) or not (_in_word(last) and _in_word(following))


def _before(one: types.Position, other: types.Position) -> bool:
    return (one.line, one.character) < (other.line, other.character)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
