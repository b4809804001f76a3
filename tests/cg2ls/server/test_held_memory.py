"""Nothing is kept for closed documents: models, memories, contexts and progress tokens are counted."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

from cg2ls.retrieval.context import PromptContext
from cg2ls.retrieval.memory import Memory
from cg2ls.server.per_workspace import MAX_KEPT
from tests.cg2ls.server.in_process import Client, Engine, conversation

CAPABILITIES = {
    "textDocument": {"inlineCompletion": {}},
    "window": {"workDoneProgress": True},
}
ROUNDS = 12


class ClosingEngine(Engine):
    """Counts how often it was closed."""

    closings = 0

    def close(self) -> None:
        self.closings += 1


class GatedClient(Client):
    """Models open only while the gate is open."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        super().__init__(folder, **options)

    def _open(self, folder: Path, *_: object) -> Engine:
        self.begun.release()
        self.gate.wait()
        engine = ClosingEngine(folder)
        self.engines.append(engine)
        return engine


def count(kind: type) -> int:
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "ledger.py").write_text("def settle(customer):\n    return customer.balance\n" * 20)
    return root


def test_a_model_that_is_not_wanted_any_more_when_it_is_open_is_closed(tiny_model):
    async def scene() -> None:
        client = GatedClient(tiny_model)
        capabilities = {"processId": None, "rootUri": None, "capabilities": CAPABILITIES}
        await client.answer("initialize", capabilities)
        client.notify("initialized", {})
        for _ in range(3):
            await asyncio.to_thread(client.begun.acquire)
            await client.command("restart")
        await asyncio.to_thread(client.begun.acquire)
        client.gate.set()
        await client.ready()
        while len(client.engines) < 4:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        [used] = client.server.models.open_engines()
        while sum(engine.closings for engine in client.engines) < 3:
            await asyncio.sleep(0.001)
        assert sorted(engine.closings for engine in client.engines) == [0, 1, 1, 1]
        assert used.closings == 0
        await client.answer("shutdown", None)
        client.notify("exit", None)
        client.server.run(lambda _: None)

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_memories_and_contexts_of_earlier_settings_and_models_are_dropped(tiny_model, workspace):
    async def scene() -> None:
        options = {"repository_memory": True, "context_tokens": 64}
        async with conversation(tiny_model, CAPABILITIES, **options) as client:
            event = {"event": {"added": [{"uri": workspace.as_uri(), "name": "project"}], "removed": []}}
            client.notify("workspace/didChangeWorkspaceFolders", event)
            uri = (workspace / "main.py").as_uri()
            client.open(uri, "a = 1\nb = \n")
            before = count(Memory), count(PromptContext)
            for number in range(ROUNDS):
                settings = {"cg2ls": {"exclude": [f"secret-{number}"]}}
                client.notify("workspace/didChangeConfiguration", {"settings": settings})
                await client.inline(uri, 1, 4, invoked=True)
            for _ in range(3):
                await client.command("restart")
                await client.ready()
                await client.inline(uri, 1, 4, invoked=True)
            while len(client.server.tasks):  # reading for a dropped memory stops early
                await asyncio.sleep(0.01)
            assert count(Memory) - before[0] <= 1
            assert count(PromptContext) - before[1] <= 1
            assert not client.server.work_done_progress.tokens

    asyncio.run(asyncio.wait_for(scene(), 120))


def test_folders_outside_of_workspaces_keep_a_limited_number_of_memories(tiny_model, workspace):
    async def scene() -> None:
        before = count(Memory)
        async with conversation(tiny_model, CAPABILITIES, repository_memory=True) as client:
            for number in range(40):
                uri = (workspace / f"folder{number}" / "a.py").as_uri()
                client.open(uri, "a = 1\nb = \n")
                await client.inline(uri, 1, 4, invoked=True)
                client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            while (
                count(Memory) - before > MAX_KEPT + 1
            ):  # a last request or a build that is about to end may use one
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 60))
