"""Every request is answered and the server keeps running after any message; with a real process and model."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

URI = "file:///fuzz.py"
LOOSE = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2**40)
    | st.text("ab{\n\ud800😀\0", max_size=6)
    | st.just("file:///fuzz.py")
)
KEYS = st.sampled_from(
    [
        "textDocument",
        "uri",
        "position",
        "line",
        "character",
        "context",
        "triggerKind",
        "contentChanges",
        "range",
        "start",
        "end",
        "text",
        "version",
        "settings",
        "cg2ls",
        "command",
        "arguments",
        "id",
        "event",
        "token",
        "jsonrpc",
    ]
)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
METHODS = st.sampled_from(
    [
        "textDocument/inlineCompletion",
        "textDocument/completion",
        "textDocument/didChange",
        "textDocument/didClose",
        "textDocument/didOpen",
        "notebookDocument/didOpen",
        "notebookDocument/didChange",
        "notebookDocument/didClose",
        "workspace/didChangeConfiguration",
        "workspace/didChangeWorkspaceFolders",
        "workspace/executeCommand",
        "cg2ls/status",
        "$/cancelRequest",
        "$/setTrace",
        "window/workDoneProgress/cancel",
        "textDocument/didFocus",
        "textDocument/didShowCompletion",
        "initialized",
        "initialize",
        "nobody/knows",
    ]
)
NUMBER = st.integers(-2, 9) | st.sampled_from([2**31, -(2**31), 10**12])
POSITION = st.fixed_dictionaries({"line": NUMBER, "character": NUMBER})
EDIT = st.fixed_dictionaries(
    {
        "range": st.fixed_dictionaries({"start": POSITION, "end": POSITION}),
        "text": st.text("ab(\n\r\x0c😀", max_size=8),
    }
)


@pytest.fixture(scope="module")
def living(lsp, random_model):
    with lsp.LspClient([sys.executable, "-m", "cg2ls", "--model", str(random_model)], timeout=300) as client:
        client.initialize()
        client.wait_for("window/logMessage", "ready")
        yield client


def answered(client, identity: object) -> dict:
    while identity not in client._answers:
        client.receive()
    return client._answers.pop(identity)


def raw(client, body: bytes) -> None:
    client.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    client.process.stdin.flush()


def lives(client) -> bool:
    return client.request("cg2ls/status", {})["message"] != ""


@LOOSE
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4))
def test_bodies_that_are_no_json_do_not_stop_the_server(living, bodies):
    for body in bodies:
        raw(living, body)
    assert lives(living)


@LOOSE
@given(METHODS, JSON)
def test_parameters_of_any_shape_do_not_stop_the_server(living, method, params):
    request = living.send(method, params)
    assert {"result", "error"} & answered(living, request).keys()
    living.notify(method, params)
    living.notify("workspace/didChangeConfiguration", {"settings": {}})
    assert lives(living)


@LOOSE
@given(JSON)
def test_messages_of_any_shape_do_not_stop_the_server(living, message):
    if isinstance(message, dict):
        message["jsonrpc"] = "2.0"
    raw(living, json.dumps(message).encode())
    assert lives(living)


@LOOSE
@given(st.text("a(\n\r😀", max_size=20), st.lists(EDIT | POSITION, max_size=6))
def test_invalid_edits_and_positions_do_not_stop_the_server(living, text, steps):
    living.open(URI, text)
    for version, step in enumerate(steps, 2):
        if "text" in step:
            living.change(URI, version, step)
        else:
            answer = answered(living, living.send_inline(URI, **step))
            assert "items" in (answer.get("result") or {"items": []}) or answer["error"]["code"] == -32602
    assert lives(living)


def test_two_hundred_cancelled_requests_in_a_row_are_answered(living):
    living.open(URI, "def area(width, height):\n" + "    return \n" * 200)
    requests = []
    for line in range(
        1, 201
    ):  # each at a different place, since a repeated place is answered without the model
        requests.append(living.send_inline(URI, line, 11))
        living.notify("$/cancelRequest", {"id": requests[-1]})
    answers = [answered(living, request) for request in requests]
    ended = [a for a in answers if a.get("error", {}).get("code") == -32800 or a["result"] is None]
    assert len(ended) >= 190, "one may be answered before its cancellation is read, seldom"
    assert all("items" in answer["result"] for answer in answers if answer not in ended)
    assert "items" in living.inline(URI, 1, 11)


def test_a_request_for_every_key_of_two_documents_is_answered(living):
    living.open("file:///a.py", "value = \n" * 50)
    living.open("file:///b.py", "value = \n" * 50)
    requests = {
        uri: [living.send_inline(uri, line, 8) for line in range(50)]
        for uri in ("file:///a.py", "file:///b.py")
    }
    for each in requests.values():
        answers = [answered(living, request) for request in each]
        assert all("error" not in answer for answer in answers)
        early = [answer for answer in answers[:-1] if answer["result"] is not None]
        assert len(early) <= 5, (
            "superseded: null, never []; one may be answered before the next is read, seldom"
        )
        assert "items" in answers[-1]["result"]


@pytest.mark.parametrize("line", ["value = compute(other)\n", "x"], ids=["lines", "one line"])
def test_a_file_of_fifty_megabytes_does_not_stop_the_server(living, line):
    text = line * (50_000_000 // len(line))
    living.open("file:///big.py", text)
    assert "items" in (living.inline("file:///big.py", 0, 5) or {"items": []})
    at = {"line": 0, "character": 1}
    living.change("file:///big.py", 2, {"range": {"start": at, "end": at}, "text": "a"})
    assert "items" in (living.inline("file:///big.py", 0, 2) or {"items": []})
    living.notify("textDocument/didClose", {"textDocument": {"uri": "file:///big.py"}})
    assert lives(living)


def test_a_binary_file_does_not_stop_the_server(living):
    living.open("file:///x.bin", "".join(map(chr, range(256))) * 200 + "\ud800", "binary")
    assert "items" in living.inline("file:///x.bin", 3, 2, trigger=1)
    assert lives(living)


def test_folders_that_are_deleted_do_not_stop_the_server(start, random_model, tmp_path):
    model, project = tmp_path / "model", tmp_path / "project"
    shutil.copytree(random_model, model)
    project.mkdir()
    (project / "a.py").write_text("x = 1\n")
    client = start("--model", str(model))
    client.initialize(workspaceFolders=[{"uri": project.as_uri(), "name": "p"}])
    client.wait_for("window/logMessage", "ready")
    uri = (project / "a.py").as_uri()
    client.open(uri, "def area(width):\n    return \n")
    # The answer is null if the settings arrived during the request; then it is requested again.
    answers = [client.inline(uri, 1, 11) for _ in range(3)]
    assert any(answer is not None and "items" in answer for answer in answers)
    shutil.rmtree(project)
    shutil.rmtree(model)
    # The answer is null if the settings arrived during the request; then it is requested again.
    answers = [client.inline(uri, 1, 11) for _ in range(3)]
    assert any(answer is not None and "items" in answer for answer in answers)
    client.request("workspace/executeCommand", {"command": "cg2ls.server.restart"})
    while (status := client.request("cg2ls/status", {}))["state"] != "failed":
        pass
    assert str(model) in status["message"]
    assert client.leave() == 0
