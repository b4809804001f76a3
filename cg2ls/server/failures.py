"""What fails while one document is answered: it costs that answer or a part of it, and nobody else's.

Everything is logged once per document and cause, and counted. A document that failed twice is left alone until it is
edited, opened anew, or has other options.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cg2ls.completion.trigger.suppression import Suppression
from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from cg2ls.server.app import Server
    from cg2ls.server.options import Options

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_FAILURES = 2
"""Failures of a document after which it is left alone."""

LEFT_ALONE = "left_alone"
"""Cause, in the status, of a document that failed so often."""

MAX_KEPT = 1000
"""Documents and causes that are remembered; beyond that the oldest document, or all causes, are forgotten."""


class AnswerError(JsonRpcException):
    """LSP's RequestFailed: a request of the user's that something went wrong with, in a sentence."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "The request failed"


@dataclass
class _Record:
    """A document's failures in a row.

    Attributes:
        count: of them; an edit leaves one, so that one more try decides.
        cause: the last one, in words.
        options: that held then; None where they were not known.
    """

    count: int
    cause: str
    options: Options | None


class Failures:
    """The failures of one client's documents. What goes on beside requests may tell of its own from any thread.

    Attributes:
        requests: that were lost since the server began.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._records: dict[str, _Record] = {}
        self._unspeculated: dict[str, None] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._telling = threading.Lock()

    def lost(self, uri: str, error: Exception, options: Options | None) -> None:
        """A request was lost for the reason of an error.

        Args:
            uri: of its document.
            error: what was raised.
            options: that hold in the document; None if unknown.
        """
        self.count(uri, error, options)
        self._tell(uri, "answering", error, "the request is lost")

    def count(self, uri: str, error: Exception, options: Options | None) -> None:
        """Counts a request that was lost for a reason that is logged elsewhere; arguments as for `lost`."""
        self.requests += 1
        before = self._records.pop(uri, None)
        if len(self._records) >= MAX_KEPT:
            del self._records[next(iter(self._records))]
        self._records[uri] = _Record(1 + (before.count if before else 0), cause_of(error), options)

    def left_out(self, uri: str, what: str, error: Exception) -> None:
        """A part of an answer was left out, or something beside it was not done; "" is no document."""
        self._tell(uri, what, error, "it is left out")

    def without(self, what: str, uri: str, ask: Callable[[], T], otherwise: T) -> T:
        """Does something that answers can do without.

        Args:
            what: it is, in the log.
            uri: of the document that is answered, "" for none.
            ask: what may raise.
            otherwise: what holds then.
        """
        try:
            return ask()
        except Exception as error:
            self.left_out(uri, what, error)
            return otherwise

    def left_alone(self, uri: str, options: Options) -> Suppression | None:
        """Why a document is left alone; None if it is not."""
        record = self._records.get(uri)
        if record is None or record.count < MAX_FAILURES or record.options not in (None, options):
            return None
        return Suppression(
            LEFT_ALONE,
            f"Completion failed here {MAX_FAILURES} times in a row and begins again after an edit: {record.cause}",
            lambda _: False,
            invoked_too=True,
        )

    def answered(self, uri: str) -> None:
        """A request was answered."""
        self._records.pop(uri, None)

    def edited(self, uri: str) -> None:
        """A document has another text now."""
        self._unspeculated.pop(uri, None)
        if record := self._records.get(uri):
            record.count = min(record.count, MAX_FAILURES - 1)

    def forget(self, uri: str) -> None:
        """A document was opened or closed."""
        self._unspeculated.pop(uri, None)
        self._records.pop(uri, None)
        with self._telling:
            self._told = {entry for entry in self._told if entry[0] != uri}

    def forget_all(self) -> None:
        """Everything is tried anew."""
        self._unspeculated.clear()
        self._records.clear()
        with self._telling:
            self._told.clear()

    def speculation_lost(self, uri: str, error: Exception) -> None:
        """Working ahead failed; it is not tried again before an edit."""
        self._unspeculated[uri] = None
        self._tell(uri, "speculation", error, "it is left out")

    def may_speculate(self, uri: str) -> bool:
        """Whether working ahead in a document makes sense."""
        return uri not in self._unspeculated

    def _tell(self, uri: str, what: str, error: Exception, end: str) -> None:
        entry = uri, what, _place_of(error)
        with self._telling:
            if entry in self._told:
                return
            if len(self._told) >= MAX_KEPT:
                self._told.clear()
            self._told.add(entry)
        where = f" in {uri}" if uri else ""
        log.error(
            "%s failed%s (%s); %s.", what.capitalize(), where, type(error).__name__, end, exc_info=error
        )


def options_of(server: Server, uri: str) -> Options | None:
    """The options that hold in a document; None where not even they can be had."""
    with contextlib.suppress(Exception):
        return server.options_of(uri, server.documents.language_of(uri) or "")
    return None


def cause_of(error: Exception) -> str:
    """An error as a sentence; one that was not written for people is named by its kind, since it may quote code."""
    if isinstance(error, Cg2Error):
        return str(error)
    return f"cg2ls made an error ({type(error).__name__}); its log has the place."


def _place_of(error: Exception) -> str:
    """What kind of error it is and where it was raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
    return f"{type(error).__name__} {where}"
