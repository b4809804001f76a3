"""`cg2ls serve` as a process: its output on stdout and stderr."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys

import pytest

from cg2ls.cli.main import main


def test_a_log_file_that_cannot_be_written_is_reported_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cg2ls", "--log-file", str(tmp_path / "missing" / "log")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr


def test_on_a_terminal_the_server_explains_that_it_waits():
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


def test_the_server_ends_when_its_editor_disappears():
    done = subprocess.run(
        [sys.executable, "-m", "cg2ls", "--stdio"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )
    assert done.returncode == 1
    assert done.stdout == b""


def test_missing_streams_are_reported():
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m cg2ls --stdio <&-', sys.executable], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "needs stdin and stdout" in done.stderr


def serve(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cg2ls", "serve", *arguments], capture_output=True, text=True, timeout=300
    )


def test_a_port_in_use_is_reported_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--http", str(port))
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1] == f"cg2ls: 127.0.0.1:{port} is in use; choose another with --http PORT."
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--http", "0", "--root", "/nowhere"],
            "/nowhere is not a folder; name an existing one with --root.",
        ),
        (["--http", "0", "--root", "/"], "/ is too large for one project; name a folder in it with --root."),
    ],
)
def test_an_unusable_root_folder_is_reported_in_one_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path))
    done = serve(*arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"cg2ls: {said}"


@pytest.mark.parametrize(
    "arguments", [["--http", "65536"], ["--http", "-1"], ["--http", "x"], ["--no-token"]]
)
def test_wrong_arguments_of_http_are_reported_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(["serve", *arguments])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_its_packages_http_explains_how_to_install_them(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "cg2ls.http.listener", raising=False)
    assert main(["serve", "--http", "0"]) == 1
    assert "HTTP needs uvicorn; install it with: pip install starlette uvicorn" in capsys.readouterr().err
