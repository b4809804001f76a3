"""The status that clients receive, and when."""

from __future__ import annotations

URI = "file:///a.py"
SHOWS_STATUS = {"experimental": {"cg2ls": {"status": True}}}


def told(client) -> list[dict]:
    return [params for name, params in client.notifications if name == "cg2ls/status"]


def test_clients_that_show_the_status_receive_every_state(start, random_model, lsp):
    client = start("--model", str(random_model))
    client.initialize(lsp.INLINE | SHOWS_STATUS)
    ready = client.wait_for("cg2ls/status", '"ready"')
    assert ready == {
        "state": "ready",
        "message": "checkpoint is ready.",
        "model": "checkpoint",
        "cause": "",
        "uri": "",
        "latencyMs": None,
        "failures": 0,
    }


def test_a_long_request_is_busy_and_its_end_has_a_latency(slow):
    client = slow(SHOWS_STATUS)
    client.send_inline(URI, 0, 4)
    assert client.wait_for("cg2ls/status", '"busy"')["uri"] == URI
    client.change(URI, 2, {"text": "quick\nb = "})
    client.inline(URI, 1, 4)
    before = len(told(client))
    while told(client)[before - 1]["state"] != "ready" or told(client)[before - 1]["latencyMs"] is None:
        client.receive()
        before = len(told(client))
    assert told(client)[-1]["latencyMs"] > 0


def test_other_clients_get_no_message(slow):
    client = slow()
    client.send_inline(URI, 0, 4)
    client.request("cg2ls/status", {})
    assert not told(client)
    assert not [name for name, _ in client.notifications if name == "didChangeStatus"]


def test_clients_of_copilots_server_get_its_messages(slow):
    client = slow(initializationOptions={"editorPluginInfo": {"name": "x", "version": "1"}})
    said = client.wait_for("didChangeStatus", "Normal")
    assert said["busy"] is False
    client.request("workspace/executeCommand", {"command": "cg2ls.server.pause"})
    assert client.wait_for("didChangeStatus", "Inactive")["message"].startswith("Completion is paused")


def test_document_in_an_unknown_language_is_off_with_a_reason(slow):
    client = slow(SHOWS_STATUS)
    client.open("file:///b.lua", "quick\nb = ", "lua")
    status = client.wait_for("cg2ls/status", '"off"')
    assert (status["cause"], status["uri"]) == ("unknown_language", "file:///b.lua")
    assert "not trained on this language" in status["message"]
    assert client.inline("file:///b.lua", 1, 4, trigger=2) == {"items": []}


def test_excluded_document_is_off_even_for_explicit_requests(slow):
    options, folder = {"exclude": ["private/", "*_pb2.py"]}, {"uri": "file:///w", "name": "w"}
    client = slow(SHOWS_STATUS, initializationOptions=options, workspaceFolders=[folder])
    for name in ("private/a.py", "b_pb2.py"):
        client.open(f"file:///w/{name}", "quick\nb = ", "python")
        assert client.inline(f"file:///w/{name}", 1, 4) == {"items": []}
        status = client.request("cg2ls/status", {"textDocument": {"uri": f"file:///w/{name}"}})
        assert (status["state"], status["cause"]) == ("off", "excluded")
    client.open("file:///w/b.py", "quick\nb = ", "python")
    assert client.inline("file:///w/b.py", 1, 4)["items"]


def test_the_option_enables_other_languages(slow):
    client = slow(initializationOptions={"languages": {"lua": {"unknownLanguages": True}}})
    client.open("file:///b.lua", "quick\nb = ", "lua")
    assert client.inline("file:///b.lua", 1, 4)["items"]


def test_status_describes_the_focused_document(slow):
    client = slow(SHOWS_STATUS, initializationOptions={"languages": {"python": {"enable": False}}})
    assert client.wait_for("cg2ls/status", '"cause": "off"')["uri"] == URI
    client.open("file:///b.txt", "", "plaintext")
    client.notify("textDocument/didFocus", {"textDocument": {"uri": URI}})
    assert client.request("cg2ls/status", {})["cause"] == "off"
    client.notify("textDocument/didFocus", {})
    assert client.request("cg2ls/status", {})["uri"] == ""
    assert client.request("cg2ls/status", {"textDocument": {"uri": URI}})["cause"] == "off"


def test_completing_only_on_request_is_a_separate_state(slow):
    client = slow(initializationOptions={"automatic": False})
    client.change(URI, 2, {"text": "quick\nb = "})
    assert client.request("cg2ls/status", {"textDocument": {"uri": URI}})["cause"] == "only_on_request"
    assert client.inline(URI, 1, 4, trigger=2) == {"items": []}
    assert client.inline(URI, 1, 4, trigger=1)["items"]


def test_a_missing_model_gives_the_failed_state_with_its_reason(start, tmp_path):
    client = start("--model", str(tmp_path / "none"))
    client.initialize()
    client.wait_for("window/showMessage")
    status = client.request("cg2ls/status", None)
    assert status["state"] == "failed"
    assert "There is no model" in status["message"]


def test_messages_of_copilots_clients_are_accepted(slow):
    client = slow()
    item = {"insertText": "x", "command": {"title": "", "command": "", "arguments": ["id"]}}
    client.notify("textDocument/didShowCompletion", {"item": item})
    client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 1})
    client.notify("textDocument/didShowCompletion", None)
    assert client.request("cg2ls/status", {})["state"] == "ready"
