"""Failures of notifications, background work and the environment do not stop completion."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from cg2ls.server import usage
from tests.cg2ls.server.fault_hooks import (
    BAD,
    GOOD,
    TEXT,
    Switch,
    assert_models_stay_open,
)
from tests.cg2ls.server.in_process import ANSWER, conversation, shown


def test_document_without_a_language_affects_no_other(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path))

    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open("file:///odd", TEXT, None)
            client.open(GOOD, TEXT)
            for _ in range(2):
                assert {"result", "error"} & (await client.inline("file:///odd")).keys()
                assert {"result", "error"} & (await client.inline("file:///odd", invoked=True)).keys()
            assert shown(await client.inline(GOOD)) == [ANSWER]
            assert (await client.command("stats"))["result"]["total"]["requests"] >= 1
            assert_models_stay_open(client)

    asyncio.run(scene())
    assert (tmp_path / "stats.json").exists()


def test_missing_home_folder_does_not_stop_completion(tiny_model, monkeypatch, caplog):
    def nowhere(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    async def scene() -> None:
        async with conversation(tiny_model, repository_memory=True, context_tokens=64) as client:
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            monkeypatch.setattr(Path, "home", nowhere)
            monkeypatch.setattr(usage, "stats_file", nowhere)
            for _ in range(3):
                assert shown(await client.inline(BAD)) == [ANSWER]
            assert shown(await client.inline(GOOD)) == [ANSWER]
            assert (await client.status(GOOD))["state"] in ("ready", "busy")
            client.notify("workspace/didChangeConfiguration", {"settings": {"cg2ls": {"model": "elsewhere"}}})
            await client.status(GOOD)
            assert_models_stay_open(client)

    asyncio.run(scene())
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]


def test_failing_notification_is_logged_once_without_the_users_text(tiny_model, patch, caplog):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(GOOD, TEXT)
            switch = Switch(on="opened")
            switch.on_attribute(patch, "opened", client.server.settings, "of")
            for _ in range(3):
                client.open(BAD, TEXT)
            switch.on = ""
            assert shown(await client.inline(BAD)) == [ANSWER], "its text was applied"
            assert shown(await client.inline(GOOD)) == [ANSWER]

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["A message failed (RuntimeError); it is left out."]


def test_workspace_that_memory_cannot_read_is_reported_to_the_client(tiny_model, tmp_path, patch):
    def fails(*_: object) -> None:
        raise KeyError("the user's own code")

    async def scene() -> None:
        async with conversation(tiny_model, repository_memory=True) as client:
            patch.setattr("cg2ls.retrieval.memory.Memory.refresh", fails)
            client.server.settings.move_to([tmp_path.as_uri()])
            client.open((tmp_path / "a.py").as_uri(), TEXT)
            while client.server.tasks:
                await asyncio.sleep(0.001)
            said = [params["message"] for name, params in client.notifications if name == "window/logMessage"]
            assert f"Memory of {tmp_path} could not be read" in said[-1]
            assert "own code" not in said[-1]
            assert shown(await client.inline((tmp_path / "a.py").as_uri())) == [ANSWER]

    asyncio.run(scene())


def test_failing_background_work_is_logged_with_its_cause(tiny_model, caplog):
    async def scene() -> None:
        async with conversation(tiny_model) as client:

            async def fails() -> None:
                raise KeyError("x")

            client.server.tasks.start(fails())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not client.server.tasks

    asyncio.run(scene())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "Work in the background failed (KeyError); it is left out."
    ]
