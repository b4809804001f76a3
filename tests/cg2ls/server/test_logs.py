import logging

import pytest

from cg2ls.server.logs import LogFileError, OneLine, configure, recent


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


def test_a_record_that_cannot_be_formatted_costs_its_line_and_nothing_else(tmp_path):
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


def test_a_full_disk_costs_the_line_and_says_nothing(tmp_path, capsys):
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
