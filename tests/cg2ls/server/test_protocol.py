"""Every request of any form is answered; invalid messages are refused."""

from __future__ import annotations

import json
import sys

import pytest

URI = "file:///a.py"


def raw(client, data: bytes) -> None:
    client.process.stdin.write(data)
    client.process.stdin.flush()


def message(client, body: object) -> None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    raw(client, b"Content-Length: %d\r\n\r\n%s" % (len(text), text))


def answer_to(client, identity) -> dict:
    while identity not in client._answers:
        client.receive()
    return client._answers.pop(identity)


@pytest.fixture(scope="module")
def living(lsp, random_model):
    with lsp.LspClient([sys.executable, "-m", "cg2ls", "--model", str(random_model)]) as client:
        client.initialize()
        client.wait_for("window/logMessage", "ready")
        yield client


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        ({"id": 3, "method": "shutdown"}, -32600),
        ({"jsonrpc": "1.0", "method": "x"}, -32600),
        ({"jsonrpc": "2.0"}, -32600),
        ({"jsonrpc": "2.0", "id": {}, "method": "x"}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "x"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "x"}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": 5}, -32600),
    ],
)
def test_invalid_message_is_refused_and_the_next_one_is_answered(living, body, code):
    message(living, body)
    identity = body.get("id") if isinstance(body, dict) and isinstance(body.get("id"), int) else None
    identity = None if identity is True else identity
    assert answer_to(living, identity)["error"]["code"] == code
    assert living.request("cg2ls/status", {})["state"] == "ready"


def test_damaged_frames_are_refused_and_the_next_one_is_answered(living):
    raw(living, b"Content-Length: nine\r\n\r\n")
    assert answer_to(living, None)["error"]["code"] == -32700
    assert living.request("cg2ls/status", {})["state"] == "ready"


@pytest.mark.parametrize("method", ["textDocument/hover", "cg2ls/none", "$/none"])
def test_unknown_methods_are_answered(living, lsp, method):
    with pytest.raises(lsp.ResponseError) as caught:
        living.request(method, {})
    assert caught.value.code == -32601


def test_an_id_may_be_a_string(living):
    message(living, {"jsonrpc": "2.0", "id": "a", "method": "cg2ls/status", "params": {}})
    assert answer_to(living, "a")["result"]["state"] == "ready"


def test_a_second_initialize_is_refused(living, lsp):
    with pytest.raises(lsp.ResponseError) as caught:
        living.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert caught.value.code == -32600


def test_requests_before_initialize_are_refused_and_notifications_dropped(start, random_model, lsp):
    client = start("--model", str(random_model))
    with pytest.raises(lsp.ResponseError) as caught:
        client.inline(URI, 0, 0)
    assert caught.value.code == -32002
    client.open(URI, "")
    client.initialize()
    with pytest.raises(lsp.ResponseError, match="not open"):
        client.inline(URI, 0, 0)
    assert client.leave() == 0


def test_exit_before_initialize_ends_the_server_with_1(start, random_model):
    client = start("--model", str(random_model))
    assert client.leave(shutdown=False) == 1


def test_unknown_capabilities_are_accepted(start, random_model):
    client = start("--model", str(random_model))
    capabilities = {
        "general": {"positionEncodings": ["utf-32"]},
        "textDocument": {"inlineCompletion": {}, "synchronization": 7},
        "window": {"workDoneProgress": True},
    }
    result = client.initialize(capabilities)
    assert result["capabilities"]["positionEncoding"] == "utf-32"
    assert "completionProvider" not in result["capabilities"]


def test_answers_to_nothing_and_of_no_shape_are_skipped(living):
    message(living, {"jsonrpc": "2.0", "id": 99, "result": 1})
    message(living, {"jsonrpc": "2.0", "id": 98, "error": "no"})
    message(living, {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}})
    assert living.request("cg2ls/status", {})["state"] == "ready"


def test_a_request_for_another_version_of_the_document_is_left_alone(slow):
    client = slow()
    client.change(URI, 7, {"text": "quick\nb = "})
    at = {"position": {"line": 1, "character": 4}, "context": {"triggerKind": 2}}
    for version, answered in ((7, True), (6, False), (8, False), ("8", False), ("new", True), (None, True)):
        params = {"textDocument": {"uri": URI, "version": version}, **at}
        answer = client.request("textDocument/inlineCompletion", params)
        assert (answer is not None) is answered


def test_an_internal_failure_is_an_error_without_a_traceback(slow, lsp):
    client = slow()
    message(
        client,
        {
            "jsonrpc": "2.0",
            "id": 500,
            "method": "workspace/executeCommand",
            "params": {"command": "cg2ls.server.status", "arguments": [{"a": 1}]},
        },
    )
    error = answer_to(client, 500)["error"]
    assert error["code"] == -32602
    assert "Traceback" not in json.dumps(error)
