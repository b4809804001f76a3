"""`cg2ls serve` as a process: what goes to stdout and stderr."""

from __future__ import annotations

import os
import pty
import subprocess
import sys


def test_a_log_file_that_cannot_be_written_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cg2ls", "--log-file", str(tmp_path / "missing" / "log")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr


def test_on_a_terminal_it_says_what_it_waits_for():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cg2ls"], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.close(theirs)
    assert b"waiting for an editor" in process.stderr.readline()
    process.kill()
    process.communicate()
    os.close(ours)


def test_nothing_but_the_protocol_reaches_stdout():
    code = (
        "import sys\n"
        "from cg2ls.cli.serve import take_protocol_output\n"
        "ours = take_protocol_output(); print('chatter'); sys.stdout.flush(); ours.write(b'message'); ours.flush()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("message", "chatter\n")


def test_an_editor_that_vanishes_ends_the_server():
    done = subprocess.run(
        [sys.executable, "-m", "cg2ls", "--stdio"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )
    assert done.returncode == 1
    assert done.stdout == b""


def test_without_streams_it_says_so():
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m cg2ls --stdio <&-', sys.executable], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "needs stdin and stdout" in done.stderr
