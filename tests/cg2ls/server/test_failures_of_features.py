"""Commands, notebooks, status, speculation and candidates fail without stopping completion."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cg2ls.completion import session as sessions
from cg2ls.server import speculation, status
from tests.cg2ls.server.fault_hooks import (
    BAD,
    FAILED,
    GOOD,
    TEXT,
    Switch,
    assert_models_stay_open,
    install,
)
from tests.cg2ls.server.in_process import ANSWER, conversation, shown


@pytest.mark.parametrize(
    "name", ["status", "pause", "resume", "restart", "switchModel", "models", "stats", "showLog"]
)
def test_failing_command_returns_an_error_and_completion_continues(tiny_model, patch, name):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(GOOD, TEXT)
            switch = Switch(on="command")
            with pytest.MonkeyPatch.context() as during:
                during.setattr(client.server.board, "status_of", switch.around("command", print))
                for owner, attribute in (
                    ("cg2ls.server.commands", "report"),
                    ("cg2ls.models.folder.store.ModelStore", "models"),
                    ("cg2ls.server.logs", "recent"),
                ):
                    during.setattr(f"{owner}.{attribute}", switch.around("command", print))
                error = (await client.command(name))["error"]
            assert error["code"] == FAILED
            assert "RuntimeError" in error["message"]
            await client.command("resume")
            await client.ready()
            assert shown(await client.inline(GOOD)) == [ANSWER]

    asyncio.run(scene())


def test_failing_cell_does_not_affect_other_cells(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            cells = [f"vscode-notebook-cell:/n.ipynb#{each}" for each in range(2)]
            kinds = [{"kind": 2, "document": cell} for cell in cells]
            items = [{"uri": cell, "languageId": "python", "version": 1, "text": TEXT} for cell in cells]
            notebook = {"uri": "file:///n.ipynb", "notebookType": "jupyter", "version": 1, "cells": kinds}
            switch = Switch(on="today")
            install(client, switch, patch)
            client.notify(
                "notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": items}
            )
            switch.on = "reconcile_closers"
            for _ in range(2):
                assert (await client.inline(cells[0]))["result"]["items"] == []
            assert (await client.status(cells[0]))["cause"] == "left_alone"
            switch.on = ""
            assert shown(await client.inline(cells[1])) == [ANSWER]
            assert_models_stay_open(client)

    asyncio.run(scene())


def test_status_is_sent_again_after_it_failed(tiny_model, patch, caplog):
    async def scene() -> None:
        capabilities = {"experimental": {"cg2ls": {"status": True}}, "textDocument": {"inlineCompletion": {}}}
        async with conversation(tiny_model, capabilities) as client:
            client.open(GOOD, TEXT)
            switch = Switch()
            install(client, switch, patch)
            switch.on_attribute(patch, "told", client.server.board, "status_of")
            for hook in ("board", "told", "status"):
                switch.on = hook
                client.notify("textDocument/didFocus", {"textDocument": {"uri": GOOD}})
                assert shown(await client.inline(GOOD)) == [ANSWER]
                await asyncio.sleep(2 * status.QUIET_S)
            switch.on = ""
            client.notifications.clear()
            client.notify("textDocument/didFocus", {"textDocument": {"uri": ""}})
            await asyncio.sleep(2 * status.QUIET_S)
            assert [params["state"] for name, params in client.notifications if name == "cg2ls/status"] == [
                "ready"
            ]

    asyncio.run(scene())
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_failing_speculation_is_logged_once_and_tried_again_after_an_edit(tiny_model, patch, caplog):
    async def scene() -> None:
        async with conversation(tiny_model, speculate=True) as client:
            patch.setattr(speculation, "IDLE_SECONDS", 0.0)
            switch = Switch(on="speculation")
            switch.on_attribute(patch, "speculation", sessions, "predict_cursors")
            client.open(BAD, TEXT)
            for _ in range(3):
                assert shown(await client.inline(BAD)) == [ANSWER]
                await asyncio.sleep(0.05)
            assert switch.hits == 1
            client.change(BAD, "b = \n")
            assert shown(await client.inline(BAD)) == [ANSWER]
            await asyncio.sleep(0.05)
            assert switch.hits == 2
            assert client.server.failures.requests == 0
            assert_models_stay_open(client)

    asyncio.run(scene())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        f"Speculation failed in {BAD} (RuntimeError); it is left out."
    ]


def test_failing_candidates_leave_the_first_completion(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model, candidates=3) as client:
            client.open(GOOD, TEXT)
            switch = Switch()
            switch.on_attribute(patch, "candidates", sessions, "sample_alternatives")
            assert shown(await client.inline(GOOD, invoked=True)) == [ANSWER, "other_value"]
            switch.on = "candidates"
            client.change(GOOD, "b = \n")
            assert shown(await client.inline(GOOD, invoked=True)) == [ANSWER]
            assert_models_stay_open(client)

    asyncio.run(scene())
