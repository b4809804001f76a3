"""A document that failed repeatedly gets no completions until something changes."""

from __future__ import annotations

import asyncio
import logging

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


def test_document_that_failed_twice_gets_no_completions_until_edited(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            switch = Switch(on="reconcile_closers")
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            install(client, switch, patch)
            for _ in range(4):
                assert (await client.inline(BAD))["result"]["items"] == []
            assert switch.hits == 2, "it was not tried again"
            said = await client.status(BAD)
            assert (said["state"], said["cause"], said["failures"]) == ("off", "left_alone", 2)
            assert "RuntimeError" in said["message"]
            refused = await client.inline(BAD, invoked=True)
            assert refused["error"] == {"code": FAILED, "message": said["message"]}
            assert (await client.status(GOOD))["state"] == "ready"
            client.change(BAD, "b = \n")
            assert (await client.status(BAD))["state"] == "ready"
            await client.inline(BAD)
            assert switch.hits == 3, "once more after an edit"
            assert (await client.status(BAD))["cause"] == "left_alone"
            switch.on = ""
            client.open(BAD, TEXT)
            assert shown(await client.inline(BAD)) == [ANSWER]
            assert_models_stay_open(client)

    asyncio.run(scene())


def test_other_options_or_a_restart_allow_another_try(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            switch = Switch(on="reconcile_closers")
            client.open(BAD, TEXT)
            install(client, switch, patch)
            for _ in range(2):
                await client.inline(BAD)
            assert (await client.status(BAD))["cause"] == "left_alone"
            client.notify("workspace/didChangeConfiguration", {"settings": {"cg2ls": {"comments": False}}})
            assert (await client.status(BAD))["cause"] == ""
            await client.inline(BAD)
            assert (await client.status(BAD))["cause"] == "left_alone"
            await client.command("restart")
            assert (await client.status(BAD))["cause"] == ""

    asyncio.run(scene())


def test_cause_is_logged_once_per_document(tiny_model, patch, caplog):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            switch = Switch(on="reconcile_closers")
            client.open(BAD, TEXT)
            install(client, switch, patch)
            for number in range(20):
                client.change(BAD, f"a = \nb{number} = \n")
                await client.inline(BAD)
            assert client.server.failures.requests == switch.hits == 20
            assert client.server.usage._new[next(iter(client.server.usage._new))].failed == 20

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == f"Answering failed in {BAD} (RuntimeError); the request is lost."
    assert record.exc_info
