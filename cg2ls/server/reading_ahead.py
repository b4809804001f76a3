"""Read the prompt of places where the user is or may soon be, before a completion is requested there.

Clients tell where the user is with `textDocument/didFocus`. Otherwise an edit far from the last request tells it. Of a
document that was just opened, nothing is known; only a short one is read, since one window serves all its places. In a
pause, the places are read where the user may go next.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cg2ls.completion import DocumentSession
from cg2ls.completion.faults import EngineFailedError
from cg2ls.server import fields
from cg2ls.server.fields import UnreadableError, member
from cg2ls.server.likely_places import LikelyPlaces, Place, are_near
from cg2ls.system import is_on_battery

if TYPE_CHECKING:
    from cg2ls.server.completer import Completer
    from cg2ls.server.snapshot import CompletionPlace

SETTLE_S = 0.06
"""Seconds for which the cursor must stay: while it runs through a file, nothing is read."""

PAUSE_S = 2.0
"""Seconds without a request, an edit or a move after which the places are read where the user may go next."""

PLACES_IN_A_PAUSE = 2
"""Places that are read in a pause: with the user's own place and that of hypotheses, as many as the engine keeps."""

PAUSE_SHARE = 0.5
"""Share of the minute's budget that pauses leave alone, for places where the user really goes."""

BUDGET_WINDOW_S = 60.0

KEPT_PLACES = 3
"""Places whose prompt the engine still holds after they were read; it has four contexts."""


@runtime_checkable
class SupportsCutting(Protocol):
    """An engine whose reading another thread can end inside a call of the graph."""

    def cut_reading(self) -> None:
        """End the running read; see `cg2ls.engine.Engine.cut_reading`."""


@dataclass(eq=False)
class ReadingAhead:
    """Reader of one place at a time, the newest first, so nothing piles up however many documents are opened.

    Attributes:
        completer: has the sessions and the decoding thread.
        clock: returns seconds; for the budget.
        spent: returns the processor seconds of this process.
        on_battery: returns whether the machine runs on a battery, on which nothing is read ahead.
        places: where the user was in each document.
    """

    completer: Completer
    clock: Callable[[], float] = time.monotonic
    spent: Callable[[], float] = time.process_time
    on_battery: Callable[[], bool] = is_on_battery
    places: LikelyPlaces = field(default_factory=LikelyPlaces)
    _wanted: list[Place] = field(default_factory=list)
    _is_pause: bool = False
    _timer: asyncio.TimerHandle | None = None
    _pause: asyncio.TimerHandle | None = None
    _reading: asyncio.Future[Any] | None = None
    _reading_at: tuple[Place, object] | None = None
    _costs: deque[tuple[float, float]] = field(default_factory=deque)
    _read: dict[tuple[str, int], int] = field(default_factory=dict)
    _last: Place | None = None

    @property
    def is_active(self) -> bool:
        """Whether a place is being read or will be, apart from those of the next pause."""
        return self._timer is not None or (self._reading is not None and not self._reading.done())

    def focused(self, params: Any) -> None:
        """Plan to read the place of a `textDocument/didFocus`, or the last one in its document if it names none.

        Args:
            params: as the client sent them.
        """
        uri, raw = member(member(params, "textDocument"), "uri"), member(params, "position")
        if not isinstance(uri, str):
            return
        try:
            position = self.places.last_in(uri) if raw is None else fields.position(raw, "position")
        except UnreadableError:
            return
        if position is not None:
            self._go_to((uri, position))

    def opened(self, uri: str) -> None:
        """Plan to read the last place of a document that was open before, or the end of a short one."""
        position = self.places.last_in(uri) or self.places.end_if_short(
            self.completer.documents.snapshot(uri)
        )
        if position is not None:
            self._go_to((uri, position))

    def edited(self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """Note the place of an edit, and plan to read it if the user must have gone there."""
        position = self.places.edited(uri, changes, self.completer.documents.encoding)
        if position is not None:
            here = uri, position
            if self._last is None or not are_near(self._last, here):
                self._go_to(here)
            self._await_pause()

    def model_ready(self) -> None:
        """Plan to read the last place, which no model could read before."""
        if self._wanted:
            self._plan()

    def closed(self, uri: str) -> None:
        """Forget a document; reading in it stops."""
        self._wanted = [place for place in self._wanted if place[0] != uri]
        if self._reading_at is not None and self._reading_at[0][0] == uri:
            self._cut()

    def note_request(self, place: CompletionPlace) -> bool | None:
        """Note a request. Reading ahead near it is useless from now on, and elsewhere it ends at once.

        Returns:
            Whether the place had been read; None if it is near the place of the last request.
        """
        uri, line = place.snapshot.uri, place.position.line
        # A copy, since edits move the places that are kept, and the request's reply and `Shown` use its own.
        here: Place = uri, copy(place.position)
        if self._reading_at is not None and not are_near(self._reading_at[0], here):
            self._cut()
        last, self._last, self._wanted = self._last, here, []
        self.places.note(here)
        self._await_pause()
        if last is not None and are_near(last, here):
            return None
        return (uri, line) in self._read

    def _go_to(self, place: Place) -> None:
        """Plan to read where the user went, unless the last request was made on that line."""
        self._await_pause()
        if self._last is None or (place[0], place[1].line) != (self._last[0], self._last[1].line):
            self._wanted, self._is_pause = [place], False
            self._plan()

    def _cut(self) -> None:
        """End the running reading, also inside a call of the model."""
        self.completer.scheduler.interrupt()
        if self._reading_at is not None and isinstance(engine := self._reading_at[1], SupportsCutting):
            engine.cut_reading()

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self._begin)

    def _await_pause(self) -> None:
        """Plan to read likely places after a pause, which begins now; an edit or a request ends the last one."""
        if self._is_pause:
            self._wanted = []
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(PAUSE_S, self._begin_pause)

    def _begin_pause(self) -> None:
        self._pause = None
        if self._last is None or self._wanted:
            return
        if self.completer.scheduler.is_busy:
            self._await_pause()
            return
        uri = self._last[0]
        find = partial(self._find_likely, self._last)
        nowhere: list[Place] = []
        found = self.completer.failures.without("reading ahead", uri, lambda: list(find()), nowhere)
        self._wanted, self._is_pause = found[:PLACES_IN_A_PAUSE], True
        self._begin()

    def _find_likely(self, last: Place) -> Iterator[Place]:
        """Yield likely places in open documents that were not read since their last edit."""
        documents = self.completer.documents
        if documents.language_of(last[0]) is None:
            return
        for place in self.places.after(last, documents.snapshot(last[0])):
            edits = documents.edits_of(place[0])
            if edits is not None and self._read.get((place[0], place[1].line)) != edits:
                yield place

    def _begin(self) -> None:
        self._timer = None
        if self._wanted:
            place = self._wanted.pop(0) if self._is_pause else self._wanted[0]
            begin = partial(self._begin_at, *place)
            self.completer.failures.without("reading ahead", place[0], begin, None)

    def _begin_at(self, uri: str, position: types.Position) -> None:
        completer = self.completer
        try:
            place = completer.find_place(types.TextDocumentIdentifier(uri), position)
        except JsonRpcException:  # it was closed, or an edit removed the line
            return
        language = place.snapshot.language
        options = completer.settings.of(uri, language)
        model = completer.models.model_of(language, uri, load=False)
        engine = model.engine
        if engine is None or completer.suppressed.find(uri, language, "automatic"):
            return
        seconds = options.read_ahead_seconds * (PAUSE_SHARE if self._is_pause else 1)
        if not self._may_spend(seconds) or not completer.failures.may_speculate(uri):
            return
        session = completer.session_of(place.snapshot, engine)
        if self._is_pause and self._last is not None and uri == self._last[0]:
            # The user is elsewhere in this document, and the anchor of its session must stay there.
            session = DocumentSession(engine, language, session.options)
        retrieval = completer.retrieval_of(place, engine)
        edits = completer.documents.edits_of(uri) or 0

        def work(stop: Callable[[], bool]) -> None:
            began = self.spent()
            try:
                session.read_ahead(*place.text_and_offset(), stop, retrieval)
                if not stop():
                    self._note_read(uri, place.position.line, edits)
            finally:
                self._costs.append((self.clock(), self.spent() - began))

        def failed(error: Exception) -> None:
            if isinstance(error, EngineFailedError):
                completer.models.engine_failed(model, engine, uri, error.cause)
            else:
                completer.failures.speculation_lost(uri, error)

        self._reading = completer.scheduler.run_when_idle(work, failed)
        if self._reading is not None:
            self._reading_at = (uri, position), engine
            self._reading.add_done_callback(self._ended)

    def _ended(self, reading: asyncio.Future[Any]) -> None:
        """Go on with the next place of a pause."""
        if reading is self._reading:
            self._reading_at = None
            if self._is_pause and self._wanted:
                self._begin()

    def _note_read(self, uri: str, line: int, edits: int) -> None:
        self._read.pop((uri, line), None)
        self._read[uri, line] = edits
        while len(self._read) > KEPT_PLACES:
            del self._read[next(iter(self._read))]

    def _may_spend(self, seconds: float) -> bool:
        """Return whether the last minute's reading took less than the option allows."""
        while self._costs and self._costs[0][0] < self.clock() - BUDGET_WINDOW_S:
            self._costs.popleft()
        return sum(cost for _, cost in self._costs) < seconds and not self.on_battery()
