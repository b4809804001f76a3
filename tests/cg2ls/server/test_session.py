"""A real server process with a real model: from the handshake to the exit."""

from __future__ import annotations

import sys

import pytest

from cg2ls.cli.main import main

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return width * height\n\n\nprint(\n"


@pytest.fixture(scope="module")
def shared(lsp, random_model):
    """One server for the tests that leave it running."""
    with lsp.LspClient([sys.executable, "-m", "cg2ls", "--model", str(random_model), "--stdio"]) as client:
        client.initialize()
        client.wait_for("window/logMessage", "ready")
        yield client


@pytest.fixture
def ready(shared):
    """The shared server, with the document open as it is on disk."""
    shared.open(URI, TEXT)
    yield shared
    shared.notify("textDocument/didClose", {"textDocument": {"uri": URI}})


def test_initialize_returns_the_servers_capabilities(start, random_model):
    client = start("--model", str(random_model))
    result = client.initialize()
    assert result["serverInfo"]["name"] == "cg2ls"
    capabilities = result["capabilities"]
    assert capabilities["inlineCompletionProvider"] == {}
    assert capabilities["positionEncoding"] == "utf-16"
    assert capabilities["textDocumentSync"]["change"] == 2
    assert "completionProvider" not in capabilities


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_the_clients_position_encoding_is_used(start, random_model, encoding):
    client = start("--model", str(random_model))
    result = client.initialize({"general": {"positionEncodings": [encoding]}})
    assert result["capabilities"]["positionEncoding"] == encoding


def test_ghost_text_has_a_range_at_the_cursor(ready):
    uri = "file:///project/area.txt"
    ready.open(uri, TEXT, language="plaintext")  # in a language whose code need not parse
    items = [item for column in range(4, 11) for item in ready.inline(uri, 1, column, trigger=1)["items"]]
    assert items, "a random model completes at some position"
    for item in items:
        assert item["insertText"].strip()
        assert item["range"]["start"]["line"] == item["range"]["end"]["line"] == 1


def test_a_column_past_the_lines_end_is_its_end(ready):
    assert ready.inline(URI, 4, 999) == ready.inline(URI, 4, len("print("))


def test_a_line_past_the_end_is_an_error_that_names_it(ready, lsp):
    with pytest.raises(lsp.ResponseError, match=r"Line 40 .* last line is 5") as caught:
        ready.inline(URI, 40, 0)
    assert caught.value.code == -32602


def test_a_document_that_is_not_open_is_an_error(ready, lsp):
    with pytest.raises(lsp.ResponseError, match="not open"):
        ready.inline("file:///other.py", 0, 0)
    ready.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    with pytest.raises(lsp.ResponseError, match="not open"):
        ready.inline(URI, 0, 0)


@pytest.mark.parametrize("trigger", [0, 1, 2, 7])
def test_any_trigger_kind_is_answered(ready, trigger):
    assert "items" in ready.inline(URI, 1, 4, trigger)


@pytest.mark.parametrize("params", [None, [], {}, {"textDocument": {"uri": 5}}])
def test_params_of_the_wrong_shape_are_answered_with_an_error(ready, lsp, params):
    with pytest.raises(lsp.ResponseError) as caught:
        ready.request("textDocument/inlineCompletion", params)
    assert caught.value.code == -32602
    assert "items" in ready.inline(URI, 1, 4)


def test_requests_before_the_model_is_ready_are_answered_with_null(start, random_model):
    client = start("--model", str(random_model))
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    client.request("initialize", params)
    client.open(URI, TEXT)
    assert client.inline(URI, 1, 4) is None
    assert "loading" in client.wait_for("window/logMessage")["message"]


def test_progress_is_shown_to_clients_that_show_it(start, random_model):
    client = start("--model", str(random_model))
    client.initialize({"window": {"workDoneProgress": True}})
    assert client.wait_for("$/progress", "begin")["value"]["title"] == "cg2ls: loading the model"
    assert client.wait_for("$/progress", "end")["value"]["message"] == "ready"


def test_a_model_that_cannot_be_opened_is_reported_in_one_message_and_the_server_continues(start, tmp_path):
    client = start("--model", str(tmp_path))
    client.initialize()
    message = client.wait_for("window/showMessage")
    assert message["type"] == 1
    assert str(tmp_path) in message["message"]
    client.open(URI, TEXT)
    assert client.inline(URI, 1, 4) is None
    assert [name for name, _ in client.notifications].count("window/showMessage") == 1
    assert client.leave() == 0


def test_the_editors_setting_chooses_the_model_if_the_command_line_does_not(start, random_model):
    client = start()
    client.initialize(initializationOptions={"model": str(random_model)})
    assert "ready" in client.wait_for("window/logMessage", "ready")["message"]


def test_edits_are_followed(ready):
    change = {
        "range": {"start": {"line": 4, "character": 5}, "end": {"line": 4, "character": 6}},
        "text": " = ",
    }
    ready.change(URI, 2, change)
    items = ready.inline(URI, 4, 99)["items"]
    assert all(item["range"]["start"]["character"] == len("print = ") for item in items)


def test_the_selected_item_of_a_menu_is_extended(ready):
    at = {"start": {"line": 4, "character": 0}, "end": {"line": 4, "character": 6}}
    for selected in ("print(width", "print(height", "print((", "print = "):
        answer = ready.inline(URI, 4, 6, selectedCompletionInfo={"range": at, "text": selected})
        for item in answer["items"]:
            assert item["insertText"].startswith(selected)
            assert item["range"] == at


def test_clients_without_inline_completion_get_one_item_in_the_menu(start, random_model):
    client = start("--model", str(random_model))
    result = client.initialize({})
    assert result["capabilities"]["completionProvider"] == {}
    client.open(URI, TEXT)
    client.wait_for("window/logMessage", "ready")
    seen = 0
    for column in range(11, 16):
        params = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": column}}
        answer = client.request("textDocument/completion", params)
        assert answer["isIncomplete"] is True
        for item in answer["items"]:
            seen += 1
            assert item["preselect"] is False
            assert item["textEdit"]["range"]["start"] == {"line": 1, "character": 11}
            assert item["textEdit"]["newText"].startswith("width"[: column - 11])
    assert seen


def test_a_request_after_shutdown_is_refused(start, random_model, lsp):
    client = start("--model", str(random_model))
    client.initialize()
    client.request("shutdown", None)
    with pytest.raises(lsp.ResponseError) as caught:
        client.inline(URI, 1, 4)
    assert caught.value.code == -32600
    client.notify("exit", None)
    assert client.process.wait(300) == 0


def test_the_server_exits_while_the_model_loads(start, random_model):
    client = start("--model", str(random_model))
    client.initialize()
    assert client.leave() == 0
    assert client.process.stderr.read() == b""


def test_exit_status_is_0_after_shutdown_and_1_without_it(start, random_model):
    for shutdown, status in ((True, 0), (False, 1)):
        client = start("--model", str(random_model))
        client.initialize()
        assert client.leave(shutdown=shutdown) == status


def test_each_language_is_answered_by_the_model_chosen_for_it(start, random_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path))
    for arguments in (["add", str(random_model)], ["use", "checkpoint", "--language", "lua"]):
        assert main(["models", *arguments]) == 0
    client = start()
    client.initialize()
    client.open("file:///a.lua", "x = \n", "lua")
    client.wait_for("window/logMessage", "python-27m is ready")
    client.wait_for("window/logMessage", "checkpoint is ready")
    assert client.inline("file:///a.lua", 0, 4) is not None
    client.open("file:///b.lua", "y = \n", "lua")
    assert client.inline("file:///b.lua", 0, 4) is not None
    assert client.leave() == 0


def test_without_a_model_an_explicit_request_gets_the_reason(start, tmp_path, lsp):
    client = start("--model", str(tmp_path / "none"))
    client.initialize()
    client.open(URI, TEXT)
    client.wait_for("window/showMessage", "none")
    assert client.inline(URI, 1, 11, trigger=2) is None
    with pytest.raises(lsp.ResponseError, match="There is no model") as caught:
        client.inline(URI, 1, 11, trigger=1)
    assert caught.value.code == -32803


def test_invalid_setting_is_reported_in_the_clients_log(start, random_model):
    client = start("--model", str(random_model))
    client.initialize(initializationOptions={"model": 3})
    client.wait_for("window/logMessage", "the default is used")
