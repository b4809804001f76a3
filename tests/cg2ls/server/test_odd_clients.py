"""Odd clients: readable changes are applied; a document whose text is unknown is reported and not completed."""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from pathlib import Path

import pytest

STATUS = {"experimental": {"cg2ls": {"status": True}}}
START, HUGE = {"line": 0, "character": 0}, {"line": 4294967295, "character": 4294967295}
QUICK = "quick\nb = "
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def living(lsp):
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py"))]
    with lsp.LspClient(command, timeout=60) as client:
        client.initialize(lsp.INLINE | STATUS)
        client.wait_for("window/logMessage", "ready")
        yield client


@pytest.fixture
def uri(living):
    """A document of three lines that is open."""
    name = f"file:///odd/{next(NUMBERS)}.py"
    living.open(name, "one\ntwo\nthree")
    yield name
    living.notify("textDocument/didClose", {"textDocument": {"uri": name}})


def described(client, uri: str) -> dict:
    return next(each for each in client.request("cg2ls/documents", None) if each["uri"] == uri)


def change(client, uri: str, *changes: object, **identifier: object) -> None:
    document = {"uri": uri, "version": 2} | identifier
    sent = {name: value for name, value in document.items() if value is not ...}
    client.notify("textDocument/didChange", {"textDocument": sent, "contentChanges": list(changes)})


def assert_text(client, uri: str, text: str) -> None:
    found = described(client, uri)
    assert found["known"] is True
    assert (found["characters"], found["sha256"]) == (len(text), hashlib.sha256(text.encode()).hexdigest())


def assert_unknown(client, uri: str) -> None:
    assert described(client, uri)["known"] is False
    status = client.request("cg2ls/status", {"textDocument": {"uri": uri}})
    assert (status["state"], status["cause"]) == ("off", "unknown_text")
    assert "unknown until" in status["message"]
    for trigger in (1, 2):
        assert client.inline(uri, 1, 3, trigger) == {"items": []}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"range": None, "text": "new"}, "new"),
        ({"text": "new", "rangeLength": None}, "new"),
        ({"range": {"start": START, "end": HUGE}, "text": "new"}, "new"),
        ({"range": {"start": HUGE, "end": HUGE}, "text": "!"}, "one\ntwo\nthree!"),
        ({"range": {"start": START, "end": {"line": 0, "character": 2**53}}, "text": ""}, "\ntwo\nthree"),
        ({"range": {"start": START, "end": {"line": 2**31, "character": 0}}, "text": "x"}, "x"),
        ({"range": {"start": {"line": -1, "character": 9}, "end": START}, "text": "x"}, "xone\ntwo\nthree"),
        ({"range": {"start": START, "end": {"line": "0", "character": 1.0}}, "text": "x"}, "xne\ntwo\nthree"),
        ({"range": {"start": {"line": 1, "character": 0}, "end": START}, "text": ""}, "two\nthree"),
    ],
)
def test_a_change_with_an_odd_range_is_applied(living, uri, sent, text):
    change(living, uri, sent)
    assert_text(living, uri, text)


@pytest.mark.parametrize("version", [None, ..., "x", 2**53, -1, 2.0, True, []])
def test_a_change_with_an_odd_version_is_applied(living, uri, version):
    change(living, uri, {"text": "new"}, version=version)
    assert_text(living, uri, "new")


@pytest.mark.parametrize(
    "sent",
    [
        {"range": {"start": START, "end": START}},
        {"range": {"start": START, "end": START}, "text": None},
        {"range": {"start": START}, "text": "x"},
        {"range": {"start": START, "end": {"line": None, "character": 0}}, "text": "x"},
        {"range": {"start": START, "end": {"line": 1.5, "character": 0}}, "text": "x"},
        {"range": {"start": START, "end": {"line": True, "character": 0}}, "text": "x"},
        {"range": 7, "text": "x"},
        {"text": 7},
        {},
        None,
    ],
)
def test_after_a_change_that_cannot_be_read_the_text_is_unknown_until_all_of_it_comes(living, uri, sent):
    before = len(living.notifications)
    change(living, uri, sent)
    assert_unknown(living, uri)
    said = [
        json.dumps(params) for name, params in living.notifications[before:] if name == "window/logMessage"
    ]
    assert any(uri in each and "must be" in each for each in said)
    change(living, uri, {"range": {"start": START, "end": START}, "text": "lost"})
    assert_unknown(living, uri)
    change(living, uri, {"text": QUICK})
    assert_text(living, uri, QUICK)
    assert living.inline(uri, 1, 4)["items"]


def test_a_text_that_is_sent_whole_after_an_odd_change_of_one_message_is_known(living, uri):
    change(living, uri, {"range": 7, "text": "x"}, {"text": QUICK})
    assert_text(living, uri, QUICK)
    change(living, uri, {"text": "a"}, {"range": 7, "text": "x"})
    assert_unknown(living, uri)


@pytest.mark.parametrize("changes", [None, 5, "x"])
def test_changes_that_are_no_list_leave_the_text_unknown(living, uri, changes):
    living.notify("textDocument/didChange", {"textDocument": {"uri": uri}, "contentChanges": changes})
    assert_unknown(living, uri)
    living.open(uri, QUICK)
    assert_text(living, uri, QUICK)
    assert living.inline(uri, 1, 4)["items"]


def test_a_document_without_a_text_is_unknown_until_all_of_it_comes(living):
    item = {"uri": "file:///odd/none.py", "languageId": None, "version": None, "text": None}
    living.notify("textDocument/didOpen", {"textDocument": item})
    assert_unknown(living, item["uri"])
    assert described(living, item["uri"])["language"] == "python"
    change(living, item["uri"], {"text": QUICK}, version=...)
    assert_text(living, item["uri"], QUICK)
    assert living.inline(item["uri"], 1, 4)["items"]


@pytest.mark.parametrize(
    "odd", [{"languageId": None}, {"languageId": ...}, {"version": None}, {"version": ...}]
)
def test_a_document_that_is_opened_without_a_language_or_version_is_answered(living, odd):
    plain = {"uri": "file:///odd/plain.py", "languageId": "python", "version": 1, "text": QUICK} | odd
    sent = {name: value for name, value in plain.items() if value is not ...}
    living.notify("textDocument/didOpen", {"textDocument": sent})
    assert_text(living, sent["uri"], QUICK)
    assert described(living, sent["uri"])["language"] == "python"
    for version in (None, 1):
        at = {"position": {"line": 1, "character": 4}, "context": None}
        document = {"uri": sent["uri"], "version": version}
        assert living.request("textDocument/inlineCompletion", {"textDocument": document, **at})["items"]


def test_closing_twice_or_unopened_is_harmless(living, uri, lsp):
    for _ in range(2):
        living.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    change(living, uri, {"text": "x"})
    with pytest.raises(lsp.ResponseError, match="not open"):
        living.inline(uri, 0, 0)
    living.open(uri, QUICK)
    assert_text(living, uri, QUICK)


@pytest.mark.parametrize("identity", [None, 77])
def test_a_notification_that_carries_an_id_is_applied(living, uri, identity):
    params = {"textDocument": {"uri": uri}, "contentChanges": [{"text": "new"}]}
    living._send({"id": identity, "method": "textDocument/didChange", "params": params})
    assert_text(living, uri, "new")
    if identity is not None:
        assert living.wait(identity) is None


def test_a_message_that_is_damaged_leaves_the_documents_it_names_unknown(living, uri):
    body = (
        b'{"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {"textDocument": {"uri": "%s"'
        % (uri.replace("/", "\\/").encode())
    )
    living.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    living.process.stdin.flush()
    assert_unknown(living, uri)
    living.open(uri, QUICK)
    assert_text(living, uri, QUICK)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("\ud83d", "\ude00", "\U0001f600one\ntwo\nthree"),
        ("\ud83d", "x", "\ufffdxone\ntwo\nthree"),
    ],
)
def test_halves_of_a_character_that_come_one_after_the_other_are_joined(living, uri, first, second, text):
    after = {"line": 0, "character": 1}
    change(living, uri, {"range": {"start": START, "end": START}, "text": first})
    change(living, uri, {"range": {"start": after, "end": after}, "text": second})
    assert_text(living, uri, text)
    change(living, uri, {"range": {"start": START, "end": {"line": 0, "character": 2}}, "text": ""})
    assert_text(living, uri, "one\ntwo\nthree")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("textDocument/inlineCompletion", {"position": START, "context": {}}),
        ("textDocument/inlineCompletion", {"textDocument": {"uri": None}, "position": START}),
        ("textDocument/inlineCompletion", {"textDocument": {"uri": "file:///odd/0.py"}, "position": None}),
        ("textDocument/inlineCompletion", {"textDocument": {"uri": "x"}, "position": {"line": 0}}),
        ("textDocument/inlineCompletion", None),
        ("workspace/executeCommand", {"command": None}),
        ("workspace/executeCommand", None),
        ("workspace/executeCommand", {"command": "cg2ls.server.status", "arguments": [5]}),
    ],
)
def test_a_request_that_means_nothing_is_an_error_that_names_the_field(living, lsp, method, params):
    with pytest.raises(lsp.ResponseError) as caught:
        living.request(method, params)
    assert caught.value.code == -32602


@pytest.mark.parametrize(
    "context", [None, {}, {"triggerKind": None}, {"triggerKind": 2, "selectedCompletionInfo": None}]
)
@pytest.mark.parametrize("version", [None, "x", 1, True])
def test_a_request_with_an_odd_context_or_version_is_answered(living, uri, context, version):
    living.open(uri, QUICK)
    document = {"uri": uri, "version": version}
    params = {"textDocument": document, "position": {"line": 1, "character": 2**31}, "context": context}
    assert living.request("textDocument/inlineCompletion", params)["items"]


@pytest.mark.parametrize("arguments", [None, "file:///odd/x.py", ["file:///odd/x.py"], []])
def test_a_command_with_odd_arguments_is_answered(living, arguments):
    params = {"command": "cg2ls.server.status", "arguments": arguments, "workDoneToken": {}}
    assert living.request("workspace/executeCommand", params)["state"] in ("ready", "busy", "off")


@pytest.mark.parametrize("identity", [None, True, [], {}, 1.5, "x", 10**400])
def test_a_cancellation_of_nothing_harms_nothing(living, uri, identity):
    request = living.send_inline(uri, 0, 3)
    living.notify("$/cancelRequest", {"id": identity})
    living.notify("$/cancelRequest", {"id": request})
    answer = None
    while answer is None:
        living.receive()
        answer = living._answers.pop(request, None)
    assert "result" in answer or answer["error"]["code"] == -32800


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("$/setTrace", {"value": 5}),
        ("$/setTrace", None),
        ("workspace/didChangeConfiguration", None),
        ("workspace/didChangeConfiguration", {"settings": 5}),
        ("workspace/didChangeWatchedFiles", {"changes": None}),
        ("workspace/didChangeWatchedFiles", {"changes": [None, {"uri": 5}, {"uri": "file:///x.py"}]}),
        ("workspace/didChangeWorkspaceFolders", {"event": None}),
        ("workspace/didChangeWorkspaceFolders", {"event": {"added": [5], "removed": None}}),
        ("window/workDoneProgress/cancel", {"token": None}),
        ("textDocument/didSave", {"textDocument": None}),
        ("textDocument/didFocus", 5),
        ("initialized", None),
    ],
)
def test_other_odd_notifications_harm_nothing(living, uri, method, params):
    living.notify(method, params)
    living.open(uri, QUICK)
    assert living.inline(uri, 1, 4)["items"]


@pytest.mark.parametrize("identity", [1.0, "a", 1.5])
def test_the_id_of_a_request_may_be_any_number(living, identity):
    living._send({"id": identity, "method": "cg2ls/status", "params": {}})
    assert living.wait(identity)["state"]


@pytest.mark.parametrize(
    "odd",
    [
        {"capabilities": None},
        {"capabilities": {"textDocument": {"inlineCompletion": {}, "synchronization": 7}, "window": None}},
        {"processId": "x", "rootUri": 5, "workspaceFolders": {}, "trace": 7, "clientInfo": None},
        {"rootUri": "file://[x/", "workspaceFolders": [None, {"uri": None}], "initializationOptions": 5},
        {"rootPath": "", "rootUri": None, "workspaceFolders": None, "initializationOptions": None},
    ],
)
def test_an_odd_handshake_is_accepted(start, odd):
    client = start(script=Path(__file__).with_name("slow_server.py"))
    params = {"processId": None, "rootUri": None, "capabilities": {"textDocument": {"inlineCompletion": {}}}}
    assert client.request("initialize", params | odd)["serverInfo"]["name"] == "cg2ls"
    client.notify("initialized", None)
    client.open("file:///a.py", QUICK)
    client.wait_for("window/logMessage", "ready")
    assert client.request("cg2ls/status", {"textDocument": {"uri": "file:///a.py"}})["state"] == "ready"
    assert client.leave() == 0
