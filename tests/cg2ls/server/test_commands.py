"""`workspace/executeCommand`: what an editor's menu can do."""

from __future__ import annotations

import pytest

URI = "file:///a.py"


def run(client, name: str, *arguments: object):
    params = {"command": f"cg2ls.server.{name}", "arguments": list(arguments)}
    return client.request("workspace/executeCommand", params)


def test_the_commands_are_announced(start, random_model):
    commands = start("--model", str(random_model)).initialize()["capabilities"]["executeCommandProvider"]
    names = {"status", "pause", "resume", "restart", "switchModel", "models", "showLog"}
    assert {f"cg2ls.server.{name}" for name in names} <= set(commands["commands"])


def test_pause_ends_running_requests_and_resume_allows_new_ones(slow):
    client = slow()
    running = client.send_inline(URI, 0, 4)
    assert run(client, "pause")["cause"] == "paused"
    assert client.wait(running) is None
    assert client.inline(URI, 0, 4, trigger=1) == {"items": []}
    assert run(client, "resume")["state"] == "ready"
    client.change(URI, 2, {"text": "quick\nb = "})
    assert client.inline(URI, 1, 4)["items"]


def test_another_model_answers_without_a_restart_and_the_choice_can_be_taken_back(
    start, random_model, tiny_model
):
    client = start("--model", str(random_model))
    client.initialize()
    client.wait_for("window/logMessage", "checkpoint is ready")
    client.open(URI, "print(\n")
    assert run(client, "switchModel", str(tiny_model))["state"] == "loading"
    client.wait_for("window/logMessage", "tiny is ready")
    assert run(client, "status")["model"] == "tiny"
    assert client.inline(URI, 0, 6) is not None
    run(client, "switchModel")
    client.notifications.clear()
    client.wait_for("window/logMessage", "checkpoint is ready")
    assert run(client, "status")["model"] == "checkpoint"


def test_a_model_that_is_not_there_changes_nothing(slow, lsp):
    client = slow()
    with pytest.raises(lsp.ResponseError, match="There is no model 'none'"):
        run(client, "switchModel", "none")
    assert run(client, "status")["state"] == "ready"


def test_restart_opens_the_engine_again(slow):
    client = slow()
    client.notifications.clear()
    run(client, "restart")
    client.wait_for("window/logMessage", "ready")
    assert [client.process.stderr.readline().strip() for _ in range(2)] == [b"opened", b"opened"]


def test_the_models_of_this_machine_are_listed(start, random_model):
    client = start("--model", str(random_model))
    client.initialize()
    names = {model["name"]: model for model in run(client, "models")}
    assert names["python-27m"]["languages"] == ["python"]
    assert not names["python-27m"]["current"]


def test_the_log_is_shown(slow):
    client = slow()
    client.notify(
        "textDocument/didChange", {"textDocument": {"uri": "file:///x", "version": 1}, "contentChanges": []}
    )
    shown = run(client, "showLog")
    assert shown["file"] is None
    assert any("not open" in line for line in shown["lines"])


@pytest.mark.parametrize(
    "params", [{"command": "cg2ls.server.none"}, {"command": "cg2ls.server.switchModel", "arguments": [3]}]
)
def test_invalid_arguments_are_refused(slow, lsp, params):
    client = slow()
    with pytest.raises(lsp.ResponseError) as caught:
        client.request("workspace/executeCommand", params)
    assert caught.value.code == -32602
