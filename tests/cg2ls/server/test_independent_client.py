"""The server through another project's client (sansio-lsp-client), which checks every answer against its own types.

It knows no inline completion, so it gets the menu; it counts ids from 0, answers `workspace/configuration` and
`client/registerCapability`, and shows progress.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sansio_lsp_client as lsp

URI = "file:///project/area.py"
TEXT = "def area(width, height):\n    return width * height\n\n\nprint(\n"
PATIENCE_S = 300


class Session:
    """A server process and the client's state machine; keeps every event."""

    def __init__(self, *arguments: str, settings: dict[str, Any] | None = None) -> None:
        command = [sys.executable, "-m", "cg2ls", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        folder = lsp.WorkspaceFolder(uri="file:///project", name="project")
        self.client = lsp.Client(workspace_folders=[folder], root_uri="file:///project")
        self.settings = settings or {}
        self.events: list[lsp.Event] = []

    def wait_for(self, kind: type[lsp.Event], containing: str = "") -> Any:
        """The first event of a kind with a text; events that were received before count."""
        seen, until = 0, time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for event in self.events[seen:]:
                if isinstance(event, kind) and containing in str(event):
                    return event
            seen = len(self.events)
            self.exchange()
        raise AssertionError(f"no {kind.__name__} with {containing!r}")

    def exchange(self) -> None:
        """Sends pending messages, receives events, and answers the server's requests."""
        assert self.process.stdin is not None
        self.process.stdin.write(self.client.send())
        self.process.stdin.flush()
        for event in self.client.recv(self.process.stdout.read1(65536)):
            self.events.append(event)
            if isinstance(event, lsp.ConfigurationRequest):
                event.reply([self.settings for _ in event.items])
            elif isinstance(event, (lsp.RegisterCapabilityRequest, lsp.WorkDoneProgressCreate)):
                event.reply()
        self.process.stdin.write(self.client.send())
        self.process.stdin.flush()

    def complete(self, line: int, character: int) -> Any:
        """Requests the menu and waits for it."""
        at = lsp.TextDocumentPosition(
            textDocument=lsp.TextDocumentIdentifier(uri=URI),
            position=lsp.Position(line=line, character=character),
        )
        asked = self.client.completion(at)
        while True:
            for event in self.events:
                if getattr(event, "message_id", None) == asked:
                    return event
            self.exchange()


@pytest.fixture
def session(random_model) -> Iterator[Any]:
    made = []

    def launch(**settings: Any) -> Session:
        made.append(Session("--model", str(random_model), settings=settings))
        made[-1].wait_for(lsp.Initialized)
        item = lsp.TextDocumentItem(uri=URI, languageId="python", version=1, text=TEXT)
        made[-1].client.did_open(item)
        made[-1].wait_for(lsp.LogMessage, "ready")
        return made[-1]

    yield launch
    for each in made:
        each.process.kill()
        each.process.communicate()


def test_handshake_menu_and_shutdown_work(session):
    session = session(minConfidence=0)
    assert session.wait_for(lsp.Initialized).capabilities["completionProvider"] == {}
    items = [item for column in range(11, 16) for item in session.complete(1, column).completion_list.items]
    assert items, "a random model completes at some position"
    assert all(item.textEdit.range.start == lsp.Position(line=1, character=11) for item in items)
    session.client.shutdown()
    session.wait_for(lsp.Shutdown)
    session.client.exit()
    session.process.stdin.write(session.client.send())
    session.process.stdin.flush()
    assert session.process.wait(PATIENCE_S) == 0


def test_progress_settings_and_registration_work(session):
    session = session(enable=False)
    assert session.wait_for(lsp.WorkDoneProgressBegin).value.title == "cg2ls: loading the model"
    assert session.wait_for(lsp.ConfigurationRequest).items[0].section == "cg2ls"
    registered = session.wait_for(lsp.RegisterCapabilityRequest).registrations
    assert [each.method for each in registered] == ["workspace/didChangeConfiguration"]
    assert session.complete(1, 11).completion_list.items == []


def test_edits_are_followed(session):
    session = session()
    document = lsp.VersionedTextDocumentIdentifier(uri=URI, version=2)
    session.client.did_change(
        document, [lsp.TextDocumentContentChangeEvent(text="x = \n", range=None, rangeLength=None)]
    )
    answer = session.complete(4, 0)
    assert isinstance(answer, lsp.ResponseError)
    assert "last line is 1" in answer.message
