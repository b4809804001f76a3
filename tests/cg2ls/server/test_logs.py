from __future__ import annotations

import io
import logging
import os

import pytest

from cg2ls.server import logs
from cg2ls.server.logs import LogFileError, OneLine, PatientHandler, configure, recent


def test_stderr_gets_one_line_a_record_and_no_traceback():
    record = logging.LogRecord(
        "x", logging.WARNING, "", 0, "first\nsecond", (), (ValueError, ValueError(), None)
    )
    assert OneLine().format(record) == "cg2ls: warning: first"


def test_a_log_file_gets_the_servers_records_but_no_messages(tmp_path):
    configure(tmp_path / "log")
    logging.getLogger("cg2ls.server").info("opened")
    logging.getLogger("pygls.protocol").info("Sending data: secret")
    text = (tmp_path / "log").read_text()
    assert "opened" in text
    assert "secret" not in text


def test_a_log_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(LogFileError, match="cannot be written"):
        configure(tmp_path / "missing" / "log")


def test_a_log_file_gets_no_part_of_a_message_that_failed(tmp_path):
    configure(tmp_path / "log")
    pygls = logging.getLogger("pygls.protocol.json_rpc")
    try:
        int("secret")
    except ValueError as error:
        pygls.exception("Failed to handle request %s %s", 3, "secret")
        pygls.error("Unable to deserialize message\n%s", error)
    text = (tmp_path / "log").read_text()
    assert "Failed to handle request (ValueError, " in text
    assert "Unable to deserialize message\n" in text
    assert "secret" not in text


def test_other_handlers_get_the_record_as_it_was(tmp_path, caplog):
    configure(tmp_path / "log")
    logging.getLogger().addHandler(caplog.handler)
    try:
        raise ValueError("secret")
    except ValueError:
        logging.getLogger("cg2ls.test").exception("failed")
    (record,) = caplog.records
    assert record.getMessage() == "failed"
    assert record.exc_info
    assert "failed (ValueError, " in (tmp_path / "log").read_text()


def test_a_record_that_cannot_be_formatted_loses_only_its_line(tmp_path):
    file = tmp_path / "log"
    configure(file)
    log = logging.getLogger("cg2ls.test")
    log.error("%d characters", "many")
    try:
        raise ValueError("the user's own code")
    except ValueError:
        log.exception("%d more", "many")
    log.error("")
    log.error("afterwards")
    assert file.read_text().splitlines()[-1].endswith("afterwards")
    assert "own code" not in file.read_text()
    assert recent()[-1].endswith("afterwards")


def test_full_disk_loses_the_line_without_a_message(tmp_path, capsys):
    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

        def flush(self):
            """Nothing was written."""

    configure(tmp_path / "log")
    logging.getLogger().handlers[0].setStream(Full()).close()
    logging.getLogger("cg2ls.test").error("lost")
    assert capsys.readouterr().err == ""
    configure(None)


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


def test_unread_pipe_delays_nothing(monkeypatch):
    monkeypatch.setattr(logs, "FLUSH_S", 0.0)
    read, write = os.pipe()
    stream = os.fdopen(write, "w")  # closing it would wait for the thread that is blocked
    handler = PatientHandler(stream)
    for _ in range(2 * logs.MAX_WAITING_LINES):
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
