"""Settings of a running server."""

from __future__ import annotations

import pytest

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
