"""Clients that do not answer the server's own requests: every wait ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from lsprotocol import types

from cg2ls.server.app import Server
from cg2ls.server.protocol import NoAnswerError
from cg2ls.server.settings import Settings

URI = "file:///a.py"
SERVER = [sys.executable, str(Path(__file__).with_name("slow_server.py")), "0.1"]
ASKED = {
    "window": {"workDoneProgress": True},
    "workspace": {
        "configuration": True,
        "didChangeConfiguration": {"dynamicRegistration": True},
        "didChangeWatchedFiles": {"dynamicRegistration": True},
    },
}
REQUESTS = {"window/workDoneProgress/create", "workspace/configuration", "client/registerCapability"}


class Wire:
    """Receives what the server writes."""

    def write(self, data: bytes) -> None:
        """Receives a message."""

    def close(self) -> None:
        """Does nothing."""


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once."""

    passed = 0.0

    def time(self) -> float:
        return super().time() + self.passed

    def call_at(self, when, callback, *arguments, context=None):
        self.call_soon(self._pass, when)
        return super().call_at(when, callback, *arguments, context=context)

    def _pass(self, when: float) -> None:
        self.passed += max(0.0, when - self.time())


def in_fast_time(work):
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(work), runner.get_loop().passed


REQUESTS_OF_A_SERVER = [
    lambda it: it.work_done_progress.create_async("token"),
    lambda it: it.workspace_configuration_async(types.ConfigurationParams(items=[])),
    lambda it: it.client_register_capability_async(types.RegistrationParams([])),
    lambda it: it.window_show_message_request_async(
        types.ShowMessageRequestParams(types.MessageType.Info, "x")
    ),
    lambda it: it.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(types.WorkspaceEdit())),
]


@pytest.mark.parametrize("ask", REQUESTS_OF_A_SERVER)
def test_no_wait_for_the_client_is_longer_than_its_limit(ask):
    server = Server(Settings())
    server.protocol.set_writer(Wire())
    server.protocol.patience_s = 3000.0

    async def wait() -> None:
        with pytest.raises(NoAnswerError, match="in 3000 s"):
            await ask(server)

    _, passed = in_fast_time(wait())
    assert 2999 < passed < 3001
    assert not server.protocol._request_futures
    assert not server.protocol._result_types
    assert not server.protocol._asked


def test_the_server_waits_for_its_client_in_no_other_way():
    """Every request of the server goes through the one that has the limit."""
    sources = sorted((Path(__file__).parents[3] / "cg2ls" / "server").glob("*.py"))
    assert sources
    for path in sources:
        if path.name != "protocol.py":
            assert ".send_request(" not in path.read_text("utf-8"), path


def test_a_client_that_answers_nothing_gets_its_model_and_its_completions(lsp):
    with lsp.LspClient(SERVER, timeout=60, unanswered=set(REQUESTS)) as client:
        client.initialize(lsp.INLINE | ASKED)
        client.open(URI, "quick\nb = ")
        client.wait_for("window/logMessage", "ready")
        assert client.request("cg2ls/status", {"textDocument": {"uri": URI}})["state"] == "ready"
        assert client.inline(URI, 1, 4)["items"]
        assert client.leave() == 0


def test_a_client_that_answers_nothing_and_opens_nothing_gets_its_model_too(lsp):
    with lsp.LspClient(SERVER, timeout=60, unanswered=set(REQUESTS)) as client:
        client.initialize(lsp.INLINE | ASKED)
        client.wait_for("window/logMessage", "ready")
        assert client.request("cg2ls/status", None)["state"] == "ready"


@pytest.mark.parametrize("answer", ["error", "nothing", {}, 5, [5, None, "x"]])
def test_invalid_start_options_are_reported_for_any_configuration(lsp, answer):
    def reply(_: object) -> object:
        if answer == "error":
            raise lsp.ResponseError({"code": -32603, "message": "no"})
        return answer

    unanswered = {"workspace/configuration"} if answer == "nothing" else set()
    with lsp.LspClient(SERVER, timeout=60, unanswered=unanswered) as client:
        client.replies["workspace/configuration"] = reply
        client.initialize(lsp.INLINE | ASKED, initializationOptions={"enable": "no", "automatic": False})
        assert "`enable` must be true or false" in client.wait_for("window/showMessage")["message"]
        client.open(URI, "quick\nb = ")
        status = client.request("cg2ls/status", {"textDocument": {"uri": URI}})
        assert status["cause"] == "only_on_request"


def test_a_client_that_does_not_read_stderr_is_answered_and_can_leave(lsp):
    with lsp.LspClient(SERVER, timeout=60) as client:
        client.initialize()
        client.wait_for("window/logMessage", "ready")
        for _ in range(2500):  # each a line on stderr, more than a pipe and the handler can buffer
            client.notify("textDocument/didChange", {"textDocument": {"uri": None}, "contentChanges": []})
        client.open(URI, "quick\nb = ")
        assert client.inline(URI, 1, 4)["items"]
        assert client.leave() == 0


def test_unexpected_response_is_ignored(lsp):
    with lsp.LspClient(SERVER, timeout=60) as client:
        client.initialize()
        client.wait_for("window/logMessage", "ready")
        client.open(URI, "a = ")
        request = client.send_inline(URI, 0, 4)
        for identity in (request, "x", 10**400, 1.5, [], {}, True):
            client._send({"id": identity, "result": 5})
            client._send({"id": identity, "error": 5})
        client.change(URI, 2, {"text": "quick\nb = "})
        assert client.inline(URI, 1, 4)["items"]
        assert client.wait(request) is None
