"""A failure of the engine reopens it; other documents are completed again."""

from __future__ import annotations

import asyncio

from cg2ls.engine.request import RequestError, RunError
from tests.cg2ls.server.fault_hooks import (
    BAD,
    GOOD,
    TEXT,
    assert_models_stay_open,
)
from tests.cg2ls.server.in_process import ANSWER, conversation, shown


def test_refused_request_does_not_reopen_the_engine(tiny_model):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            client.engines[0].broken = RequestError("The prompt is too long.")
            refused = await client.inline(BAD, invoked=True)
            assert refused["error"]["message"] == "There is no completion: The prompt is too long."
            client.engines[0].broken = None
            assert shown(await client.inline(GOOD)) == [ANSWER]
            assert_models_stay_open(client)

    asyncio.run(scene())


def test_failure_of_the_engine_reopens_it(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path))

    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            client.engines[0].broken = RunError("The model could not be run: no.")
            assert (await client.inline(BAD))["result"] is None
            await client.ready()
            assert client.opened_models == 2
            assert shown(await client.inline(GOOD)) == [ANSWER]
            total = (await client.command("stats"))["result"]["total"]
            assert (total["failed"], total["requests"]) == (1, 1)

    asyncio.run(scene())


def test_document_that_breaks_the_engine_twice_gets_no_completions(tiny_model):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            for _ in range(2):
                client.engines[-1].broken = RunError("no")
                assert (await client.inline(BAD))["result"] is None
                await client.ready()
            assert (await client.status(BAD))["cause"] == "left_alone"
            assert (await client.inline(BAD))["result"]["items"] == []
            assert shown(await client.inline(GOOD)) == [ANSWER]

    asyncio.run(scene())


def test_late_failure_of_a_closed_engine_does_not_close_its_successor(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            server = client.server
            (model,) = server.models.open_models()
            server.loader.engine_failed(model, client.engines[0], BAD, RunError("no"))
            await client.ready()
            server.loader.engine_failed(model, client.engines[0], GOOD, RunError("closed"))
            assert model.state == "ready"
            assert client.opened_models == 2

    asyncio.run(scene())
