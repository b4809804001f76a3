"""Counts of what was requested, shown and accepted, until they are written to the file of counts.

No client reports what was accepted, so it is inferred from the edits that follow a completion. Editors insert the
whole text at once, or its next word or line. A user who types it inserts a character or two at a time. So
text that equals a completion shown at its place can count as accepted. One change must have inserted the
whole rest, or at least `MIN_PART_CHARS` characters up to the end of a word or line.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.models.folder.locations import warn_once
from cg2ls.server.own_verdicts import OwnVerdict, Watched, own_gate, own_verdicts
from cg2ls.server.stats import Counts, Key, StatsError, StatsFile, stats_file, this_day

if TYPE_CHECKING:
    from cg2ls.completion import Completion
    from cg2ls.models.folder.description import ModelDescription
    from cg2ls.models.folder.gate import GateWeights
    from cg2ls.server.documents import Document
    from cg2ls.server.failures import Failures
    from cg2ls.server.settings import Settings

SAVE_AFTER_S = 60.0
"""Seconds of counts that are lost at most when the process is killed."""


class Usage:
    """Counts of completions from request to acceptance; nothing is counted with the option `stats` off.

    An error here loses counts, but affects neither documents nor the session.

    Args:
        settings: whether to count.
        failures: where errors are recorded.
    """

    def __init__(self, settings: Settings, failures: Failures) -> None:
        self._settings = settings
        self._verdicts: list[OwnVerdict] = []
        self._groups: dict[str, int] = {}
        self._failures = failures
        self._shown: dict[str, Shown] = {}
        self._new: dict[Key, Counts] = {}
        self._saving: asyncio.TimerHandle | None = None

    def answered(self, language: str, model: str, latency_ms: float) -> None:
        """Count an answered request."""
        if self._is_counting():
            self._counts(language, model).answered(latency_ms)

    def visited(self, language: str, model: str, *, is_read: bool) -> None:
        """Count the first request at a new place, and whether its prompt had been read."""
        if self._is_counting():
            counts = self._counts(language, model)
            counts.visits += 1
            counts.visits_read_ahead += is_read

    def failed(self, language: str, model: str) -> None:
        """Count a failed request."""
        if self._is_counting():
            self._counts(language, model).failed += 1

    def shown(self, uri: str, shown: Shown) -> None:
        """Count a completion that went to the client; the rest of the previous one is not a new one."""
        before = self._shown.get(uri)
        if before is not None and before.is_continued_by(shown.text):
            shown.continue_from(before)
            self._shown[uri] = shown
            return
        self.forget(uri)
        self._shown[uri] = shown
        if self._is_counting():
            self._counts(shown.language, shown.model).shown += 1

    def edited(self, document: Document, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """Follow an edit of a document."""
        uri = document.uri
        if uri in self._shown and not self._failures.without(
            "counting", uri, lambda: self._follow(document, changes), otherwise=False
        ):
            self.forget(uri)

    def _follow(self, document: Document, changes: Sequence[types.TextDocumentContentChangeEvent]) -> bool:
        """Follow an edit; return whether the completion may still be shown."""
        shown = self._shown[document.uri]
        taken, is_shown = shown.edited(changes, document.text_from)
        if taken is not None and self._is_counting():
            counts = self._counts(shown.language, shown.model)
            counts.saved_characters += taken.characters
            counts.accepted += taken.whole
            counts.partly_accepted += taken.first and not taken.whole
        return is_shown

    def forget(self, uri: str) -> None:
        """Forget the completion shown in a document; whether it was accepted is known then."""
        shown = self._shown.pop(uri, None)
        if shown is not None and shown.watched is not None and self.is_watching:
            self._verdicts.append(shown.watched.judge(shown.progress))
            self._save_later()

    @property
    def is_watching(self) -> bool:
        """Whether the user wants a gate fitted on what they accept."""
        return self._settings.of().learn_from_acceptances

    def own_gate(self, model: ModelDescription) -> GateWeights | None:
        """Return the gate fitted on the user's own verdicts; None if there is none or the user does not want it."""
        try:
            return own_gate().read(model) if self.is_watching else None
        except StatsError as error:
            warn_once(str(error))
            return None

    def watch(self, uri: str, model: ModelDescription, completion: Completion) -> Watched | None:
        """Return the record of a completion that was shown while typing; None if the user wants no records."""
        features = completion.features
        if features is None or features.trigger != "automatic" or not self.is_watching:
            return None
        group = self._groups.setdefault(uri, secrets.randbelow(2**31))
        return Watched.of(completion.text, model, group, completion.confidence, features)

    def save(self) -> None:
        """Write the new counts; if the file cannot be written, only the counts are lost."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        new, self._new = self._new, {}
        verdicts, self._verdicts = self._verdicts, []
        if new or verdicts:
            try:
                if new:
                    StatsFile(stats_file()).add(new)
                if verdicts:
                    own_verdicts().add(verdicts)
            except StatsError as error:
                warn_once(str(error))
            except Exception as error:
                self._failures.left_out("", "counting", error)

    def _is_counting(self) -> bool:
        return self._settings.of().stats

    def _save_later(self) -> None:
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_AFTER_S, self.save)

    def _counts(self, language: str, model: str) -> Counts:
        self._save_later()
        key = this_day().isoformat(), str(language or ""), str(model or "")
        return self._new.setdefault(key, Counts())


MIN_PART_CHARS = 3
"""Characters of an accepted part; a client that reports fast typing late may send two keys in one change."""

TextFrom = Callable[[types.Position, int], str]
"""Returns the document's text from a position on, at most a number of characters."""


@dataclass(frozen=True)
class Taken:
    """The part of a completion that one edit accepted: its characters, and whether it was the last or first."""

    characters: int
    whole: bool
    first: bool


@dataclass
class Shown:
    """One completion that a client may be showing.

    Attributes:
        position: where its text begins in the document.
        text: the text.
        language: LSP id of the document's language.
        model: name of the model it came from.
        others: alternatives that the user can choose.
        progress: number of its characters that are in the document.
        parts: number of times that a part was accepted.
        watched: what is kept about it for the user's own gate; None for nothing.
    """

    position: types.Position
    text: str
    language: str
    model: str
    others: tuple[str, ...] = ()
    progress: int = 0
    parts: int = 0
    watched: Watched | None = None

    @property
    def rest(self) -> str:
        """Return the part that is not in the document yet."""
        return self.text[self.progress :]

    def is_continued_by(self, text: str) -> bool:
        """Return whether another answer is the same completion, shown again after a part of it was typed."""
        return bool(self.rest) and (self.rest.startswith(text) or text.startswith(self.rest))

    def continue_from(self, before: Shown) -> None:
        """Take over what is known of the same completion before a part of it was typed."""
        self.parts, self.watched = before.parts, before.watched
        if self.watched is not None:
            self.watched.written += before.progress

    def edited(
        self, changes: Sequence[types.TextDocumentContentChangeEvent], text_from: TextFrom
    ) -> tuple[Taken | None, bool]:
        """Follow an edit.

        Args:
            changes: the changes of one notification, already applied.
            text_from: returns the document's text after them.

        Returns:
            The accepted part, None if nothing; and whether the completion may still be shown.
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
        present = self._count_present(text_from)
        came = min(present - self.progress, inserted)
        if came <= 0:
            self.progress = min(self.progress, present)
            return None, not inserted
        self.progress = present if present == len(self.text) else self.progress + came
        taken = self._taken(came)
        if taken is not None:
            self.parts += 1
        return taken, bool(self.rest)

    def _choose(self, text_from: TextFrom) -> None:
        """Switch to the alternative of which most is in the document."""
        texts = (self.text, *self.others)
        self.text = max(texts, key=lambda text: replace(self, text=text)._count_present(text_from))
        self.others = tuple(text for text in texts if text != self.text)

    def _count_present(self, text_from: TextFrom) -> int:
        """Return how many of its characters are in the document; all line ends are equal.

        Text that was there before, such as a line end or a closer, may be among them.
        """
        present = text_from(self.position, len(self.text) + self.text.count("\n")).replace("\r\n", "\n")
        pairs = enumerate(zip(present, self.text, strict=False))
        return next((index for index, (ours, its) in pairs if ours != its), min(len(present), len(self.text)))

    def _taken(self, came: int) -> Taken | None:
        whole = not self.rest
        if not (came > 1 if whole else came >= MIN_PART_CHARS and self._ends_part()):
            return None
        return Taken(came, whole, self.parts == 0)

    def _ends_part(self) -> bool:
        last, following = self.text[self.progress - 1], self.rest[0]
        return "\n" in (last, following) or not (_in_word(last) and _in_word(following))


def _before(one: types.Position, other: types.Position) -> bool:
    return (one.line, one.character) < (other.line, other.character)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
