"""The server ends with the editor, even if another process keeps its stdin open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cg2ls.server.editor_process import GRACE_S, POLL_S, leave_after


@pytest.fixture
def editor():
    """A process that acts as the editor; the test keeps the server's stdin open."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def initialized(client, process_id: int) -> None:
    params = {"processId": process_id, "rootUri": None, "capabilities": {}}
    assert client.request("initialize", params)["serverInfo"]
    client.notify("initialized", {})


def test_an_editor_that_is_dead_at_the_start_ends_the_server(start, random_model, editor):
    editor.kill()
    editor.wait()
    client = start("--model", str(random_model))
    initialized(client, editor.pid)
    assert client.process.wait(60) == 1
    assert f"process {editor.pid} does not run" in client.process.stderr.read().decode()


def test_an_editor_that_dies_later_ends_the_server(start, random_model, editor):
    client = start("--model", str(random_model))
    initialized(client, editor.pid)
    client.wait_for("window/logMessage", "ready")
    assert client.request("cg2ls/status", {})["state"] == "ready"
    editor.kill()
    editor.wait()
    assert client.process.wait(60) == 1
    assert b"Traceback" not in client.process.stderr.read()


@pytest.mark.parametrize("process_id", [0, -1, 2**31, "x"])
def test_an_unused_process_id_counts_as_no_editor(start, random_model, process_id):
    client = start("--model", str(random_model))
    initialized(client, process_id)
    assert client.leave() == 0


def test_the_process_is_checked_every_few_seconds_and_the_server_gets_time_to_exit():
    happened: list[object] = []
    looks = iter([True, True, False])
    leave_after(
        lambda: next(looks),
        happened.append,
        lambda: happened.append("leave"),
        lambda status: happened.append(-status),
    )
    assert happened == [POLL_S, POLL_S, "leave", GRACE_S, -1]


def test_a_server_that_has_already_ended_is_not_stopped():
    def leave() -> None:
        raise RuntimeError("Event loop is closed")

    ended: list[int] = []
    leave_after(lambda: False, lambda _: None, leave, ended.append)
    assert ended == []
