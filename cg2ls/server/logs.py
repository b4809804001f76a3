"""The server's own log: to stderr or a file, and the last lines in memory for the editor to show."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import queue
import sys
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, TextIO

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from pathlib import Path

CHATTY = ("pygls", "asyncio")
"""Loggers whose lower levels contain whole messages, that is, users' code."""

LATE_CANCELLATIONS = "pygls.protocol.json_rpc"
"""Logger that warns of every cancellation that came too late; typing makes many."""

KEPT_LINES = 300

WITH_TIME = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogFileError(Cg2Error):
    """Error of a log file that cannot be written."""


class OneLine(logging.Formatter):
    """Formatter of the first line of each message; tracebacks belong in a log file."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of text."""
        line, _, _ = record.getMessage().partition("\n")
        return f"cg2ls: {record.levelname.lower()}: {line}"


class WithoutContent(logging.Formatter):
    """Formatter that removes quotes of users' code from records, unless the user allowed them.

    It keeps pygls' records up to the first argument, and of every exception its type and place.
    It formats a copy: a record is shared with the handlers of other libraries.

    Args:
        form: formats what is left of a record.
    """

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form
        self.quoting = False

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, shortened if needed."""
        return self._form.format(record if self.quoting else _without_content(record))


def _without_content(record: logging.LogRecord) -> logging.LogRecord:
    kept = copy.copy(record)
    if record.name.partition(".")[0] == "pygls":
        said = str(record.msg).partition("%")[0].strip(' :"\n')
        kept.msg, kept.args = said + _origin(record), ()
    elif record.exc_info:
        kept.msg, kept.args = _said(record) + _origin(record), ()
    kept.exc_info = kept.exc_text = None
    return kept


def _said(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit must not lose the message
        return str(record.msg)


def _origin(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None or record.exc_info[2] is None:
        return ""
    last = traceback.extract_tb(record.exc_info[2])[-1]
    return f" ({record.exc_info[0].__name__}, {last.filename}:{last.lineno})"


class Recent(logging.Handler):
    """Handler that keeps the last lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record as a line; `logging` reports one that cannot be formatted."""
        try:
            self.lines.append(self.format(record))
        except Exception:
            self.handleError(record)


class Log:
    """The log of this process."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._forms: list[WithoutContent] = []
        self._quoting = False
        self._recent = Recent()

    def configure(self, file: Path | None) -> None:
        """Send records to a file, or to stderr.

        Raises:
            LogFileError: the file cannot be opened.
        """
        # A full disk loses the line without a traceback; and stderr never gets a record's arguments, perhaps code.
        logging.raiseExceptions = False
        handler, form = self._handler(file)
        self.file = None if file is None else file.absolute()
        self._forms = [WithoutContent(form), WithoutContent(logging.Formatter(WITH_TIME))]
        for each, without_content in zip((handler, self._recent), self._forms, strict=True):
            each.setFormatter(without_content)
        logging.basicConfig(handlers=[handler, self._recent], force=True)
        self.set_level(None, quoting=False)

    def _handler(self, file: Path | None) -> tuple[logging.Handler, logging.Formatter]:
        if file is None:
            return PatientHandler(sys.stderr), OneLine()
        try:
            handler = logging.FileHandler(file, encoding="utf-8")
        except OSError as error:
            raise LogFileError(
                f"{file} cannot be written ({error.strerror}); choose another --log-file."
            ) from None
        return handler, logging.Formatter(WITH_TIME)

    def set_level(self, level: str | None, *, quoting: bool) -> None:
        """Set how much is logged from now on.

        Args:
            level: "error", "warning", "info" or "debug"; None for info in a file and warnings on stderr.
            quoting: whether records at the level debug may quote users' code.
        """
        self._quoting = quoting and level == "debug"
        for form in self._forms:
            form.quoting = self._quoting
        usual = logging.WARNING if self.file is None else logging.INFO
        chosen = usual if level is None else logging.getLevelNamesMapping()[level.upper()]
        logging.getLogger().setLevel(chosen)
        for name in CHATTY:
            logging.getLogger(name).setLevel(chosen if self._quoting else max(chosen, logging.WARNING))
        if not self._quoting:
            loud = logging.CRITICAL if self.file is None else logging.ERROR
            logging.getLogger(LATE_CANCELLATIONS).setLevel(max(chosen, loud))
        else:
            logging.getLogger(LATE_CANCELLATIONS).setLevel(chosen)

    def recent(self) -> list[str]:
        """Return the last lines, oldest first."""
        return list(self._recent.lines)


LOG = Log()
configure = LOG.configure
set_level = LOG.set_level
recent = LOG.recent


def file_in_use() -> str | None:
    """Return the path of the log file; None if the log goes to stderr."""
    return str(LOG.file) if LOG.file else None


MAX_WAITING_LINES = 1000
"""Lines kept while the stream is not read; later ones are dropped."""

FLUSH_S = 1.0
"""Seconds for which the end of the process waits until lines are read."""


class PatientHandler(logging.Handler):
    """Handler that writes to a stream in a separate thread, which does not keep the process alive.

    Args:
        stream: the stream; lines are lost if it is closed, broken or None.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: queue.Queue[str] = queue.Queue(MAX_WAITING_LINES)
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; drop it where too many wait."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(line + "\n")

    def flush(self) -> None:
        """Wait until everything is written, for `FLUSH_S` at most."""
        waiting = self._waiting
        with waiting.all_tasks_done:
            waiting.all_tasks_done.wait_for(lambda: not waiting.unfinished_tasks, FLUSH_S)

    def _write_all(self) -> None:
        while True:
            line = self._waiting.get()
            with contextlib.suppress(OSError, ValueError):
                self._write(line)
            self._waiting.task_done()

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            file = self._stream.fileno()
        except (OSError, ValueError):  # a stream without a file, as in tests
            self._stream.write(line)
            return
        left = line.encode("utf-8", errors="backslashreplace")
        while left:  # without the stream's own lock, which a blocked thread would hold when the process ends
            left = left[os.write(file, left) :]
