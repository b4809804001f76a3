"""Lines for a stderr that is read, full, closed or not there."""

from __future__ import annotations

import io
import logging
import os

import pytest

from cg2ls.server import patient_log
from cg2ls.server.patient_log import PatientHandler


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.WARNING, "x.py", 1, message, (), None)


def test_lines_are_written_in_their_order():
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream, os.fdopen(read) as lines:
        handler = PatientHandler(stream)
        for number in range(100):
            handler.emit(record(f"{number} é \ud83d"))
        handler.flush()
        assert [lines.readline() for _ in range(100)] == [f"{each} é \\ud83d\n" for each in range(100)]


def test_a_stream_without_a_file_is_written_to():
    stream = io.StringIO()
    handler = PatientHandler(stream)
    handler.emit(record("said"))
    handler.flush()
    assert stream.getvalue() == "said\n"


def test_a_pipe_that_nobody_reads_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(patient_log, "FLUSH_S", 0.0)
    read, write = os.pipe()
    stream = os.fdopen(write, "w")  # closing it would wait for the thread that is blocked
    handler = PatientHandler(stream)
    for _ in range(2 * patient_log.MAX_WAITING_LINES):
        handler.emit(record("x" * 500))
    handler.flush()
    assert handler._waiting.full()
    os.close(read)  # which ends the thread's write


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_stream_that_is_not_there_loses_the_lines(stream, tmp_path):
    if stream == "closed":
        stream = (tmp_path / "log").open("w")
        stream.close()
    handler = PatientHandler(stream)
    handler.emit(record("lost"))
    handler.flush()
    assert not handler._waiting.unfinished_tasks
