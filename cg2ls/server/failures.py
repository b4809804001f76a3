"""Failures while one document is answered: each costs that answer or a part of it, and no other document's.

Each cause is logged once per document and counted. A document that failed twice gets no more completions until it is
edited, opened again, or has other options.
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

from cg2ls.completion.trigger import Suppression
from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from cg2ls.server.documents import Documents
    from cg2ls.server.options import Options
    from cg2ls.server.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_FAILURES = 2
"""Failures of a document in a row after which it gets no more completions."""

LEFT_ALONE = "left_alone"
"""Cause, in the status, of a document that failed so often."""

MAX_RECORDS = 1000
"""Documents and causes that are remembered; beyond that the oldest document, or all causes, are forgotten."""


class AnswerError(JsonRpcException):
    """LSP's RequestFailed: a request that the user made failed, with a sentence that says why."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "The request failed"


@dataclass
class _Record:
    """A document's failures in a row.

    Attributes:
        count: number of failures; an edit leaves one, so that one more try decides.
        cause: the last failure, as a sentence.
        options: options in force at that time; None where they were not known.
    """

    count: int
    cause: str
    options: Options | None


class Failures:
    """The failures of one client's documents. Background work may report failures from any thread.

    Args:
        settings: which options are in force in a document.
        documents: the open documents.

    Attributes:
        requests: requests that were lost since the server started.
    """

    def __init__(self, settings: Settings, documents: Documents) -> None:
        self._settings = settings
        self._documents = documents
        self.requests = 0
        self._records: dict[str, _Record] = {}
        self._unspeculated: dict[str, None] = {}
        self._logged: set[tuple[str, str, str]] = set()
        self._logging = threading.Lock()

    def lost(self, uri: str, error: Exception) -> None:
        """Count and log a request that was lost because of an error."""
        self.count(uri, error)
        self._log(uri, "answering", error, "the request is lost")

    def count(self, uri: str, error: Exception) -> None:
        """Count a request that was lost because of an error that is logged elsewhere."""
        self.requests += 1
        before = self._records.pop(uri, None)
        if len(self._records) >= MAX_RECORDS:
            del self._records[next(iter(self._records))]
        count = 1 + (before.count if before else 0)
        self._records[uri] = _Record(count, cause_of(error), self._options_of(uri))

    def _options_of(self, uri: str) -> Options | None:
        """Return the options in force in a document; None if even they cannot be found."""
        with contextlib.suppress(Exception):
            return self._settings.of(uri, self._documents.language_of(uri) or "")
        return None

    def left_out(self, uri: str, what: str, error: Exception) -> None:
        """Log that a part of an answer, or other work, was left out because of an error; "" for no document."""
        self._log(uri, what, error, "it is left out")

    def without(self, what: str, uri: str, ask: Callable[[], T], otherwise: T) -> T:
        """Return the result of optional work, or a default if the work raises.

        Args:
            what: name of the work in the log.
            uri: URI of the document that is answered, "" for none.
            ask: the work.
            otherwise: the default.
        """
        try:
            return ask()
        except Exception as error:
            self.left_out(uri, what, error)
            return otherwise

    def left_alone(self, uri: str, options: Options) -> Suppression | None:
        """Return why a document gets no completions; None if it may get some."""
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
        """Record that a request was answered."""
        self._records.pop(uri, None)

    def edited(self, uri: str) -> None:
        """Record that a document was edited, so that it is tried again."""
        self._unspeculated.pop(uri, None)
        if record := self._records.get(uri):
            record.count = min(record.count, MAX_FAILURES - 1)

    def forget(self, uri: str) -> None:
        """Forget the failures of a document that was opened or closed."""
        self._unspeculated.pop(uri, None)
        self._records.pop(uri, None)
        with self._logging:
            self._logged = {entry for entry in self._logged if entry[0] != uri}

    def forget_all(self) -> None:
        """Forget all failures, so that everything is tried again."""
        self._unspeculated.clear()
        self._records.clear()
        with self._logging:
            self._logged.clear()

    def speculation_lost(self, uri: str, error: Exception) -> None:
        """Record that speculation failed; it is not tried again before an edit."""
        self._unspeculated[uri] = None
        self._log(uri, "speculation", error, "it is left out")

    def may_speculate(self, uri: str) -> bool:
        """Return whether speculation did not fail since the last edit."""
        return uri not in self._unspeculated

    def _log(self, uri: str, what: str, error: Exception, end: str) -> None:
        entry = uri, what, _place_of(error)
        with self._logging:
            if entry in self._logged:
                return
            if len(self._logged) >= MAX_RECORDS:
                self._logged.clear()
            self._logged.add(entry)
        where = f" in {uri}" if uri else ""
        log.error(
            "%s failed%s (%s); %s.", what.capitalize(), where, type(error).__name__, end, exc_info=error
        )


def cause_of(error: Exception) -> str:
    """Return an error as a sentence.

    An error that is not meant for users is named by its type, since its text may quote code.
    """
    if isinstance(error, Cg2Error):
        return str(error)
    return f"cg2ls made an error ({type(error).__name__}); its log has the place."


def _place_of(error: Exception) -> str:
    """Return an error's type and where it was raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
    return f"{type(error).__name__} {where}"
