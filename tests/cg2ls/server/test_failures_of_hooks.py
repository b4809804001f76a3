"""A failure while one document is answered costs that request or a part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cg2ls.server.fault_hooks import (
    BAD,
    FAILED,
    GOOD,
    LEFT_OUT,
    LOST,
    TEXT,
    Switch,
    assert_models_stay_open,
    install,
)
from tests.cg2ls.server.in_process import ANSWER, Client, conversation, shown

Ask = Callable[[Client, str], Any]


async def by_menu(client: Client, uri: str) -> dict[str, Any]:
    return await client.menu(uri)


async def by_ghost_text(client: Client, uri: str) -> dict[str, Any]:
    return await client.inline(uri)


async def by_hand(client: Client, uri: str) -> dict[str, Any]:
    return await client.inline(uri, invoked=True)


@pytest.mark.parametrize("ask", [by_ghost_text, by_hand, by_menu])
@pytest.mark.parametrize("hook", LEFT_OUT + LOST)
def test_failing_hook_affects_only_its_part_or_its_request(tiny_model, patch, hook, ask):
    async def scene() -> None:
        async with conversation(tiny_model, {} if ask is by_menu else None, context_tokens=64) as client:
            switch = Switch()
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            install(client, switch, patch)
            switch.on = hook
            answer = await ask(client, BAD)
            assert switch.hits, "the hook was called"
            if hook in LEFT_OUT:
                assert shown(answer)[0].endswith(ANSWER)
            elif ask is by_hand:
                assert answer["error"]["code"] == FAILED
                assert "RuntimeError" in answer["error"]["message"]
                assert "user's own" not in answer["error"]["message"]
            else:
                assert shown(answer) == []
                assert answer["result"]["items"] == []
            switch.on = ""
            assert shown(await ask(client, GOOD))[0].endswith(ANSWER)
            client.change(BAD, "b = \n")
            assert shown(await ask(client, BAD))[0].endswith(ANSWER)
            assert client.server.failures.requests == (hook in LOST)
            assert_models_stay_open(client)

    asyncio.run(scene())


def test_failing_parser_fails_the_request(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            switch = Switch(on="kind")
            client.open(BAD, "a = 1\n\n")
            client.open(GOOD, "a = 1\n\n")
            install(client, switch, patch)
            assert (await client.inline(BAD, 1, 0))["result"]["items"] == []
            assert switch.hits == client.server.failures.requests == 1
            switch.on = ""
            assert shown(await client.inline(GOOD, 1, 0)) == [ANSWER]
            assert_models_stay_open(client)

    asyncio.run(scene())


HOOKS = st.sampled_from(["", "", *LEFT_OUT, *LOST])


ERRORS = st.sampled_from([RuntimeError("x"), KeyError("x"), StopIteration(), MemoryError(), RecursionError()])


STEPS = st.lists(
    st.tuples(
        st.sampled_from([BAD, GOOD]), st.sampled_from(["edit", "reopen", "ask", "ask", "hand"]), HOOKS, ERRORS
    ),
    min_size=4,
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_every_request_is_answered_whichever_hooks_fail(tiny_model, steps):
    async def scene(patch: pytest.MonkeyPatch) -> None:
        async with conversation(tiny_model, context_tokens=64) as client:
            switch = Switch()
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            install(client, switch, patch)
            in_a_row = dict.fromkeys((BAD, GOOD), 0)
            for number, (uri, step, hook, error) in enumerate(steps):
                if step in ("edit", "reopen"):
                    act = client.change if step == "edit" else client.open
                    act(uri, f"a = \nb{number} = \n")
                    in_a_row[uri] = min(in_a_row[uri], 1) if step == "edit" else 0
                    continue
                switch.on, switch.error, lost = hook, error, client.server.failures.requests
                answer = await client.inline(uri, invoked=step == "hand")
                switch.on = ""
                if in_a_row[uri] >= 2:
                    assert (await client.status(uri))["cause"] == "left_alone" or hook == "settings"
                    assert not shown(answer)
                elif client.server.failures.requests == lost:
                    assert shown(answer)[0] == ANSWER
                    in_a_row[uri] = 0
                    continue
                in_a_row[uri] += client.server.failures.requests - lost
                assert not shown(answer)
                assert ("error" in answer) == (step == "hand")
            for uri in (BAD, GOOD):
                client.change(uri, "last = \n")
                assert shown(await client.inline(uri, column=7)) == [ANSWER]
            assert_models_stay_open(client)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(scene(patch))
