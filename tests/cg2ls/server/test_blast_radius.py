"""Whatever is raised while one document is answered, it concerns that request: other documents go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cg2ls.completion import session as sessions
from cg2ls.completion.postprocess import pipeline
from cg2ls.completion.postprocess.pipeline import RULES
from cg2ls.completion.reuse import TypedThrough
from cg2ls.engine.request import RequestError, RunError
from cg2ls.server import completer, completion_menu, inline_completion, status, usage
from cg2ls.server.documents import Documents
from tests.cg2ls.server.in_process import ANSWER, Client, conversation, shown

BAD, GOOD = "file:///bad.py", "file:///good.py"
TEXT = "a = \nb = \n"
FAILED = -32803


@dataclass
class Switch:
    """Says which hook raises now, and what.

    Attributes:
        on: name of the hook; "" for none.
        error: what it raises.
        hits: how often it did.
    """

    on: str = ""
    error: BaseException = field(default_factory=lambda: RuntimeError("the user's own code"))
    hits: int = 0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def hooked(*arguments: Any, **more: Any) -> Any:
            if self.on == name:
                self.hits += 1
                raise self.error
            return function(*arguments, **more)

        return hooked

    def on_attribute(self, patch: pytest.MonkeyPatch, name: str, owner: Any, attribute: str) -> None:
        patch.setattr(owner, attribute, self.around(name, getattr(owner, attribute)))


class Prior:
    """Says nothing of its own."""

    def __init__(self, switch: Switch) -> None:
        self.mix = switch.around("prior.mix", self._mix)
        self.draft = switch.around("prior.draft", lambda *_: ())

    @staticmethod
    def _mix(_: object, logits: np.ndarray) -> np.ndarray:
        return (logits - np.log(len(logits))).astype(np.float32)


LEFT_OUT = (
    *("memory", "prior", "prior.mix", "prior.draft", "context", "context text", "load grammar"),
    *("find", "guess", "add", "count answered", "count shown", "today", "rhythm", "board", "note"),
)
"""Hooks that an answer does without."""

LOST = (
    "settings",
    "silences",
    "extent",
    "tokenizer",
    "snapshot",
    "item",
    *(rule.name for rule in RULES),
)
"""Hooks without which there is no answer."""


def install(client: Client, switch: Switch, patch: pytest.MonkeyPatch) -> None:
    """Puts the switch around every hook there is."""
    server = client.server

    def prior_of(*_: object) -> Callable[..., Prior]:
        return switch.around("prior", lambda *_: Prior(switch))

    def context_of(*_: object) -> Callable[..., str]:
        return switch.around("context text", lambda *_: "# other.py\n")

    patch.setattr(server.memory, "prior_of", switch.around("memory", prior_of))
    patch.setattr(server.prompt_context, "context_of", switch.around("context", context_of))
    for name, owner, attribute in (
        ("load grammar", sessions, "load_grammar"),
        ("find", TypedThrough, "_find_all"),
        ("guess", TypedThrough, "find_draft_hint"),
        ("add", TypedThrough, "add"),
        ("count answered", server.usage, "answered"),
        ("count shown", server.usage, "shown"),
        ("today", usage, "this_day"),
        ("rhythm", server.completer.debounce, "record_key"),
        ("board", server.board, "_wanted"),
        ("status", server.board, "_state"),
        ("note", completer.log, "debug"),
        ("settings", server.settings, "of"),
        ("silences", sessions, "find_suppression"),
        ("kind", sessions, "find_kind"),
        ("extent", sessions, "choose_extent"),
        ("snapshot", Documents, "snapshot"),
        ("item", inline_completion, "_item"),
        ("item", completion_menu, "_item"),
    ):
        switch.on_attribute(patch, name, owner, attribute)
    for engine in client.engines:
        switch.on_attribute(patch, "tokenizer", engine.tokenizer, "encode")
    for group in ("ALWAYS", "BOUNDS", "FINISH"):
        hooked = [
            replace(rule, apply=switch.around(rule.name, rule.apply)) for rule in getattr(pipeline, group)
        ]
        patch.setattr(pipeline, group, tuple(hooked))


def went_on(client: Client) -> None:
    assert client.opened_models == 1, "the engine is not opened again"
    assert all(model.state == "ready" for model in client.server.models.open_models())


Ask = Callable[[Client, str], Any]


async def by_menu(client: Client, uri: str) -> dict[str, Any]:
    return await client.menu(uri)


async def by_ghost_text(client: Client, uri: str) -> dict[str, Any]:
    return await client.inline(uri)


async def by_hand(client: Client, uri: str) -> dict[str, Any]:
    return await client.inline(uri, invoked=True)


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as made:
        yield made


@pytest.mark.parametrize("ask", [by_ghost_text, by_hand, by_menu])
@pytest.mark.parametrize("hook", LEFT_OUT + LOST)
def test_a_hook_that_raises_costs_its_own_part_or_its_own_request(tiny_model, patch, hook, ask):
    async def scene() -> None:
        async with conversation(tiny_model, {} if ask is by_menu else None, context_tokens=64) as client:
            switch = Switch()
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            install(client, switch, patch)
            switch.on = hook
            answer = await ask(client, BAD)
            assert switch.hits, "the hook was asked"
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
            went_on(client)

    asyncio.run(scene())


def test_a_parser_that_raises_costs_the_request(tiny_model, patch):
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
            went_on(client)

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
def test_whatever_raises_in_whatever_order_every_request_is_answered_and_nothing_else_is_hurt(
    tiny_model, steps
):
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
            went_on(client)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(scene(patch))


def test_a_document_that_failed_twice_is_left_alone_until_it_is_edited(tiny_model, patch):
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
            went_on(client)

    asyncio.run(scene())


def test_other_options_or_a_restart_try_a_document_again(tiny_model, patch):
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


def test_a_cause_is_logged_once_for_a_document_however_often_it_is_met(tiny_model, patch, caplog):
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


@pytest.mark.parametrize(
    "name", ["status", "pause", "resume", "restart", "switchModel", "models", "stats", "showLog"]
)
def test_a_command_that_fails_says_so_and_nothing_else_stops(tiny_model, patch, name):
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


def test_cells_of_a_notebook_fail_by_themselves(tiny_model, patch):
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
            went_on(client)

    asyncio.run(scene())


def test_copilots_messages_and_the_status_line_outlive_a_status_that_fails(tiny_model, patch, caplog):
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


def test_speculation_that_fails_is_told_once_and_not_tried_again_before_an_edit(tiny_model, patch, caplog):
    async def scene() -> None:
        async with conversation(tiny_model, speculate=True) as client:
            patch.setattr(completer, "IDLE_SECONDS", 0.0)
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
            went_on(client)

    asyncio.run(scene())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        f"Speculation failed in {BAD} (RuntimeError); it is left out."
    ]


def test_further_candidates_that_fail_leave_the_first(tiny_model, patch):
    async def scene() -> None:
        async with conversation(tiny_model, candidates=3) as client:
            client.open(GOOD, TEXT)
            switch = Switch()
            switch.on_attribute(patch, "candidates", sessions, "sample_alternatives")
            assert shown(await client.inline(GOOD, invoked=True)) == [ANSWER, "other_value"]
            switch.on = "candidates"
            client.change(GOOD, "b = \n")
            assert shown(await client.inline(GOOD, invoked=True)) == [ANSWER]
            went_on(client)

    asyncio.run(scene())


def test_a_request_that_the_engine_cannot_serve_does_not_open_it_again(tiny_model):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(BAD, TEXT)
            client.open(GOOD, TEXT)
            client.engines[0].broken = RequestError("The prompt is too long.")
            refused = await client.inline(BAD, invoked=True)
            assert refused["error"]["message"] == "There is no completion: The prompt is too long."
            client.engines[0].broken = None
            assert shown(await client.inline(GOOD)) == [ANSWER]
            went_on(client)

    asyncio.run(scene())


def test_only_what_the_engine_raises_opens_it_again(tiny_model, tmp_path, monkeypatch):
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


def test_one_document_that_breaks_the_engine_every_time_is_left_alone_and_others_go_on(tiny_model):
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


def test_a_late_word_of_a_closed_engine_does_not_close_the_one_that_took_its_place(tiny_model, patch):
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


def test_a_document_without_a_language_asked_twice(tiny_model, tmp_path, monkeypatch):
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
            went_on(client)

    asyncio.run(scene())
    assert (tmp_path / "stats.json").exists()


def test_a_home_that_cannot_be_found_while_answering(tiny_model, monkeypatch, caplog):
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
            went_on(client)

    asyncio.run(scene())
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]


def test_a_notification_that_fails_is_logged_once_without_the_users_text(tiny_model, patch, caplog):
    async def scene() -> None:
        async with conversation(tiny_model) as client:
            client.open(GOOD, TEXT)
            switch = Switch(on="opened")
            switch.on_attribute(patch, "opened", client.server.settings, "of")
            for _ in range(3):
                client.open(BAD, TEXT)
            switch.on = ""
            assert shown(await client.inline(BAD)) == [ANSWER], "its text was taken"
            assert shown(await client.inline(GOOD)) == [ANSWER]

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["A message failed (RuntimeError); it is left out."]


def test_a_workspace_that_memory_cannot_read_is_left_out_and_the_client_hears_of_it(
    tiny_model, tmp_path, patch
):
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


def test_background_work_that_fails_is_logged_with_its_cause(tiny_model, caplog):
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
