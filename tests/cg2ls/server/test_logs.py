import logging

import pytest

from cg2ls.server.logs import LogFileError, OneLine, configure


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


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
