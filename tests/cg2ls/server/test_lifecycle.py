"""Settings of a running server, and its end with the editor, even if another process keeps its stdin open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cg2ls.server.lifecycle import EDITOR_GRACE_S, EDITOR_POLL_S, leave_after

URI = "file:///a.py"
ASKED = {"workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}}


def status(client) -> dict:
    return client.request("cg2ls/status", {"textDocument": {"uri": URI}})


def test_settings_are_requested_in_general_and_for_each_folder(slow):
    asked = []

    def answer(params):
        asked.append([item.get("scopeUri") for item in params["items"]])
        assert {item["section"] for item in params["items"]} == {"cg2ls"}
        return [{"enable": True}, {"enable": False}]

    folders = [{"uri": "file:///", "name": "root"}]
    client = slow(ASKED, {"workspace/configuration": answer}, workspaceFolders=folders)
    assert asked == [[None, "file:///"]]
    while status(client)["state"] != "off":  # the answer is on its way
        pass
    assert status(client)["cause"] == "off"


def test_a_client_that_has_no_settings_gets_the_defaults(slow):
    client = slow(ASKED, {"workspace/configuration": lambda _: None})
    assert status(client)["state"] == "ready"


def test_changed_settings_are_requested_again_and_apply_at_once(slow):
    answers = [{"enable": True}]
    client = slow(ASKED, {"workspace/configuration": lambda params: answers * len(params["items"])})
    assert status(client)["state"] == "ready"
    answers[:] = [{"enable": False}]
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    client.request("cg2ls/status", {})
    while status(client)["state"] != "off":
        pass
    assert status(client)["cause"] == "off"


def test_server_registers_for_changes(slow):
    registered = []
    client = slow(ASKED, {"client/registerCapability": registered.append})
    while not registered:
        client.request("cg2ls/status", {})
    assert registered[0]["registrations"][0]["method"] == "workspace/didChangeConfiguration"


@pytest.mark.parametrize("wrap", [lambda raw: raw, lambda raw: {"cg2ls": raw}])
def test_settings_in_a_notification_are_applied(slow, wrap):
    client = slow()
    client.notify(
        "workspace/didChangeConfiguration", {"settings": wrap({"languages": {"python": {"enable": False}}})}
    )
    assert status(client)["cause"] == "off"
    client.notify("workspace/didChangeConfiguration", {"settings": wrap({})})
    assert status(client)["state"] == "ready"


def test_a_wrong_option_is_reported_in_one_message_and_the_others_apply(slow):
    client = slow(initializationOptions={"enable": "no", "automatic": False})
    said = client.wait_for("window/showMessage")
    assert "`enable` must be true or false" in said["message"]
    assert status(client)["cause"] == "only_on_request"
    client.notify("workspace/didChangeConfiguration", {"settings": {"enable": "no"}})
    assert status(client)["cause"] == "only_on_request"
    assert [name for name, _ in client.notifications].count("window/showMessage") == 1


def test_workspace_folders_are_added_and_removed(slow):
    client = slow(initializationOptions={"folders": {"old": {"enable": False}}})
    client.open("file:///p/old/x.py", "")
    ask = {"textDocument": {"uri": "file:///p/old/x.py"}}
    assert client.request("cg2ls/status", ask)["state"] == "ready"
    folder = {"uri": "file:///p", "name": "p"}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [folder], "removed": []}})
    assert client.request("cg2ls/status", ask)["cause"] == "off"
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder]}})
    assert client.request("cg2ls/status", ask)["state"] == "ready"


def test_log_level_applies_at_once(slow):
    client = slow()
    client.notify("workspace/didChangeConfiguration", {"settings": {"logLevel": "debug"}})
    client.change(URI, 2, {"text": "quick\nb = "})
    client.inline(URI, 1, 4)
    shown = client.request("workspace/executeCommand", {"command": "cg2ls.server.showLog"})
    assert any("shown: 1 characters" in line for line in shown["lines"])
    assert "'x'" not in "".join(shown["lines"])


def test_the_log_quotes_code_only_with_a_separate_option(slow):
    client = slow(initializationOptions={"logLevel": "debug", "logText": True})
    client.change(URI, 2, {"text": "quick\nb = "})
    client.inline(URI, 1, 4)
    shown = client.request("workspace/executeCommand", {"command": "cg2ls.server.showLog"})
    assert any("shown: 'x'" in line for line in shown["lines"])


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
    assert happened == [EDITOR_POLL_S, EDITOR_POLL_S, "leave", EDITOR_GRACE_S, -1]


def test_a_server_that_has_already_ended_is_not_stopped():
    def leave() -> None:
        raise RuntimeError("Event loop is closed")

    ended: list[int] = []
    leave_after(lambda: False, lambda _: None, leave, ended.append)
    assert ended == []
