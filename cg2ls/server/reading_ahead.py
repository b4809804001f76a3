"""Read the prompt of the place where the user is, before a completion is requested there.

Clients tell where the user is with `textDocument/didFocus`. After an answer, speculation reads on by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cg2ls.completion.faults import EngineFailedError
from cg2ls.server import fields
from cg2ls.server.fields import UnreadableError, member
from cg2ls.system import is_on_battery

if TYPE_CHECKING:
    from cg2ls.server.completer import Completer
    from cg2ls.server.snapshot import CompletionPlace

Place = tuple[str, types.Position]
"""A document's URI and a position in it."""

SETTLE_S = 0.06
"""Seconds for which the cursor must stay: while it runs through a file, nothing is read."""

BUDGET_WINDOW_S = 60.0

MAX_PLACES = 100
"""Documents whose last place is remembered, also after they are closed."""

NEAR_LINES = 20
"""Lines between two requests from which on the later one is the first request of a visit."""


@dataclass(eq=False)
class ReadingAhead:
    """Reader of the newest place only, so nothing piles up however many documents are opened.

    Attributes:
        completer: has the sessions and the decoding thread.
        clock: returns seconds; for the budget.
        spent: returns the processor seconds of this process.
        on_battery: returns whether the machine runs on a battery, on which nothing is read ahead.
    """

    completer: Completer
    clock: Callable[[], float] = time.monotonic
    spent: Callable[[], float] = time.process_time
    on_battery: Callable[[], bool] = is_on_battery
    _wanted: Place | None = None
    _timer: asyncio.TimerHandle | None = None
    _reading: asyncio.Future[Any] | None = None
    _costs: deque[tuple[float, float]] = field(default_factory=deque)
    _read: tuple[str, int] | None = None
    _last: tuple[str, int] | None = None
    _places: dict[str, types.Position] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Whether a place is being read or will be."""
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
            position = self._places.get(uri) if raw is None else fields.position(raw, "position")
        except UnreadableError:
            return
        if position is not None and (uri, position.line) != self._last:
            self._wanted = uri, position
            self._plan()

    def opened(self, uri: str) -> None:
        """Plan to read the last place in a document that was closed and opened again."""
        self.focused({"textDocument": {"uri": uri}})

    def model_ready(self) -> None:
        """Plan to read the last place, which no model could read before."""
        if self._wanted is not None:
            self._plan()

    def closed(self, uri: str) -> None:
        """Forget a document; reading in it stops."""
        if self._wanted is not None and self._wanted[0] == uri:
            self._wanted = None
            self.completer.scheduler.interrupt()

    def note_request(self, place: CompletionPlace) -> bool | None:
        """Note a request, which makes reading ahead near it useless.

        Returns:
            Whether the place had been read; None if it is near the place of the last request.
        """
        here = place.snapshot.uri, place.position.line
        last, self._last, self._wanted = self._last, here, None
        self._places.pop(here[0], None)
        self._places[here[0]] = place.position
        if len(self._places) > MAX_PLACES:
            del self._places[next(iter(self._places))]
        if last is not None and last[0] == here[0] and abs(last[1] - here[1]) <= NEAR_LINES:
            return None
        return self._read == here

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._wanted is not None:
            begin = partial(self._begin_at, *self._wanted)
            self.completer.failures.without("reading ahead", self._wanted[0], begin, None)

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
        if not self._may_spend(options.read_ahead_seconds) or not completer.failures.may_speculate(uri):
            return
        session = completer.session_of(place.snapshot, engine)
        retrieval = completer.retrieval_of(place, engine)

        def work(stop: Callable[[], bool]) -> None:
            began = self.spent()
            try:
                session.read_ahead(*place.text_and_offset(), stop, retrieval)
                if not stop():
                    self._read = uri, place.position.line
            finally:
                self._costs.append((self.clock(), self.spent() - began))

        def failed(error: Exception) -> None:
            if isinstance(error, EngineFailedError):
                completer.models.engine_failed(model, engine, uri, error.cause)
            else:
                completer.failures.speculation_lost(uri, error)

        self._reading = completer.scheduler.run_when_idle(work, failed)

    def _may_spend(self, seconds: float) -> bool:
        """Return whether the last minute's reading took less than the option allows."""
        while self._costs and self._costs[0][0] < self.clock() - BUDGET_WINDOW_S:
            self._costs.popleft()
        return sum(cost for _, cost in self._costs) < seconds and not self.on_battery()
