"""The prompt is read where the user is, before and while a request waits; calls and tokens are counted, never time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from cg2ls.engine.request import Request, Timing
from cg2ls.server import reading_ahead
from cg2ls.server.reading_ahead import ReadingAhead
from cg2ls.server.snapshot import CompletionPlace
from tests.cg2ls.server.in_process import INLINE, Client, Engine, shown

URI, OTHER = "file:///a.py", "file:///b.py"
TEXT = (
    "".join(f"value_{number} = {number}  # of a document that is not short\n" for number in range(60))
    + "total = \n"
)
LINE = 60


class ReadingEngine(Engine):
    """Records the prompts that it reads ahead, and for each request how many had been read before."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read_prompts: list[list[int]] = []
        self.completed: list[tuple[list[int], int]] = []
        self.gate: threading.Event | None = None
        self.stops = 0
        self.cuts = 0

    def read(self, request: Request, stop: Callable[[], bool]) -> int:
        self.read_prompts.append(list(request.prompt))
        while self.gate is not None and not self.gate.wait(0.002):
            if stop():
                self.stops += 1
                break
        return len(request.prompt)

    def cut_reading(self) -> None:
        self.cuts += 1

    def complete(self, request: Request, stop: Callable[[], bool]) -> Any:
        self.completed.append((list(request.prompt), len(self.read_prompts)))
        return super().complete(request, stop)


class ReadingClient(Client):
    """Client whose server's models record the prompts that they read."""

    def _open(self, folder: Path, *_: object) -> Engine:
        self.engines.append(ReadingEngine(folder))
        return self.engines[-1]

    @property
    def engine(self) -> ReadingEngine:
        engine = self.engines[-1]
        assert isinstance(engine, ReadingEngine)
        return engine

    def go_to(self, uri: str, line: int | None = LINE, column: int = 8) -> None:
        position = {} if line is None else {"position": {"line": line, "character": column}}
        self.notify("textDocument/didFocus", {"textDocument": {"uri": uri}, **position})

    def type_at(self, uri: str, line: int, column: int, text: str) -> None:
        place = {"line": line, "character": column}
        change = {"range": {"start": place, "end": place}, "text": text}
        document = {"uri": uri, "version": next(self._versions)}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    async def has_read(self, count: int) -> None:
        """This many prompts were read, and nothing is planned but a next pause."""
        while len(self.engine.read_prompts) < count:
            await asyncio.sleep(0.002)
        await self.idle()

    async def idle(self) -> None:
        """Wait until nothing is planned or being read any more."""
        while self.server.reading_ahead.is_active:
            await asyncio.sleep(0.002)


@asynccontextmanager
async def reading(folder: Path, **options: Any) -> AsyncIterator[ReadingClient]:
    client = ReadingClient(folder, **options)
    params = {"processId": None, "rootUri": None, "capabilities": INLINE}
    await client.answer("initialize", params)
    client.notify("initialized", {})
    await client.ready()
    client.server.reading_ahead.on_battery = lambda: False
    client.open(URI, TEXT)
    yield client
    await client.answer("shutdown", None)
    client.notify("exit", None)
    client.server.run(lambda _: None)


@pytest.fixture
def scene(tiny_model, monkeypatch):
    monkeypatch.setattr(reading_ahead, "SETTLE_S", 0.02)
    monkeypatch.setattr(reading_ahead, "PAUSE_S", 0.04)

    def play(acts: Callable[[ReadingClient], Awaitable[None]], **options: Any) -> None:
        async def run() -> None:
            async with reading(tiny_model, **options) as client:
                await acts(client)

        asyncio.run(asyncio.wait_for(run(), 60))

    return play


def test_a_place_is_read_before_its_first_request_with_the_same_prompt(scene):
    async def acts(client: ReadingClient) -> None:
        client.go_to(URI)
        await client.idle()
        assert not client.engine.completed
        assert shown(await client.inline(URI, LINE, 8))
        [(prompt, read_before)] = client.engine.completed
        assert client.engine.read_prompts == [prompt]
        assert read_before == 1

    scene(acts)


def test_the_adaptive_wait_reads_at_once_and_generates_later(scene):
    async def acts(client: ReadingClient) -> None:
        first = asyncio.create_task(client.inline(URI, LINE, 8))
        while not client.engine.read_prompts:
            await asyncio.sleep(0.001)
        assert not client.engine.completed
        assert shown(await first)
        assert [read for _, read in client.engine.completed] == [1]

    scene(acts, delay_ms=200, read_ahead_seconds=0)


@pytest.mark.parametrize(("reading_ms", "counts"), [(0.0, True), (1e7, False)])
def test_reading_a_prompt_does_not_make_later_keys_wait(scene, reading_ms, counts):
    async def acts(client: ReadingClient) -> None:
        recorded: list[float] = []
        client.server.completer.debounce.record_answer = recorded.append
        client.engine.last = Timing(prefill_ms=reading_ms)
        assert shown(await client.inline(URI, LINE, 8))
        assert [seconds > 0 for seconds in recorded] == [counts]

    scene(acts, read_ahead_seconds=0)


def test_a_key_during_the_wait_stops_the_reading_of_the_older_request(scene):
    async def acts(client: ReadingClient) -> None:
        client.engine.gate = threading.Event()
        first = asyncio.create_task(client.inline(URI, LINE, 8))
        while not client.engine.read_prompts:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(client.inline(URI, LINE, 8, invoked=True))
        assert (await first)["result"] is None
        assert shown(await second)
        assert client.engine.stops == 1

    scene(acts, delay_ms=5000)


def test_a_request_stops_reading_elsewhere(scene):
    async def acts(client: ReadingClient) -> None:
        client.open(OTHER, TEXT)
        client.engine.gate = threading.Event()
        client.go_to(OTHER)
        while not client.engine.read_prompts:
            await asyncio.sleep(0.001)
        assert shown(await client.inline(URI, LINE, 8, invoked=True))
        assert (client.engine.stops, client.engine.cuts) == (1, 1), "it also ends inside a call of the model"

    scene(acts)


def test_a_request_near_by_lets_the_running_call_end_since_it_needs_what_is_read(scene):
    async def acts(client: ReadingClient) -> None:
        client.engine.gate = threading.Event()
        client.go_to(URI)
        while not client.engine.read_prompts:
            await asyncio.sleep(0.001)
        assert shown(await client.inline(URI, LINE - 1, 8, invoked=True))
        assert (client.engine.stops, client.engine.cuts) == (1, 0)

    scene(acts)


def test_only_the_last_of_many_places_is_read(scene):
    async def acts(client: ReadingClient) -> None:
        for number in range(100):
            uri = f"file:///many{number}.py"
            client.open(uri, TEXT)
            client.go_to(uri)
        await client.idle()
        assert len(client.engine.read_prompts) == 1

    scene(acts)


def test_a_closed_document_is_not_read(scene):
    async def acts(client: ReadingClient) -> None:
        client.go_to(URI)
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await client.idle()
        assert not client.engine.read_prompts

    scene(acts)


def test_closing_a_document_stops_its_reading(scene):
    async def acts(client: ReadingClient) -> None:
        client.engine.gate = threading.Event()
        client.go_to(URI)
        while not client.engine.read_prompts:
            await asyncio.sleep(0.001)
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await client.idle()
        assert client.engine.stops == 1

    scene(acts)


def test_a_document_that_is_opened_again_or_returned_to_is_read_at_its_last_place(scene):
    async def acts(client: ReadingClient) -> None:
        await client.inline(URI, LINE, 8)
        client.open(OTHER, TEXT)
        await client.inline(OTHER, 3, 10)
        client.go_to(URI, None)
        await client.idle()
        assert len(client.engine.read_prompts) == 0, "the completion there is already known"
        client.change(URI, "import os\n" + TEXT)
        client.go_to(URI, None)
        await client.idle()
        assert len(client.engine.read_prompts) == 1
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        client.open(URI, TEXT)
        await client.idle()
        assert len(client.engine.read_prompts) == 2

    scene(acts)


def test_the_minutes_budget_ends_reading_until_the_minute_is_over(scene):
    async def acts(client: ReadingClient) -> None:
        ahead, now = client.server.reading_ahead, [0.0]
        spent = iter(range(0, 1000, 4))
        ahead.clock, ahead.spent = lambda: now[0], lambda: float(next(spent))  # each reading takes 4 seconds
        for number in range(4):
            client.go_to(URI, number + 1)
            await client.idle()
        assert len(client.engine.read_prompts) == 2  # 4 + 4 is over 6
        now[0] = reading_ahead.BUDGET_WINDOW_S + 1
        client.go_to(URI, 30)
        await client.idle()
        assert len(client.engine.read_prompts) == 3

    scene(acts)


@pytest.mark.parametrize(
    ("options", "on_battery"), [({"read_ahead_seconds": 0}, False), ({}, True), ({"enable": False}, False)]
)
def test_nothing_is_read_ahead_where_it_is_off(scene, options, on_battery):
    async def acts(client: ReadingClient) -> None:
        client.server.reading_ahead.on_battery = lambda: on_battery
        client.go_to(URI)
        await client.idle()
        assert not client.engine.read_prompts

    scene(acts, **options)


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {"textDocument": None},
        {"textDocument": {"uri": 3}, "position": {"line": 1, "character": 1}},
        {"textDocument": {"uri": URI}, "position": {"line": "many"}},
        {"textDocument": {"uri": URI}, "position": {"line": 10**9, "character": 10**9}},
        {"textDocument": {"uri": "file:///nowhere.py"}, "position": {"line": 1, "character": 1}},
    ],
)
def test_an_odd_place_is_ignored(scene, params):
    async def acts(client: ReadingClient) -> None:
        client.notify("textDocument/didFocus", params)
        await client.idle()
        assert not client.engine.read_prompts
        assert shown(await client.inline(URI, LINE, 8))

    scene(acts)


def test_first_requests_that_found_their_prompt_read_are_counted(scene, monkeypatch, tmp_path):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path))
    found: list[bool] = []

    async def acts(client: ReadingClient) -> None:
        usage = client.server.usage
        monkeypatch.setattr(usage, "visited", lambda *_, is_read: found.append(is_read))
        client.go_to(URI)
        await client.idle()
        await client.inline(URI, LINE, 8)
        client.change(URI, TEXT[:-1] + "v\n")
        await client.inline(URI, LINE, 9)  # the same visit
        await client.inline(URI, 2, 10)
        assert found == [True, False]

    scene(acts)


SHORT = "import os\n\n\ndef find(name):\n    return os.path.join(name, \n"
BLOCK = "def make():\n" + 50 * "    step()\n" + "\n\nclass Next:\n    pass\n"


def test_a_short_document_is_read_when_it_is_opened_since_its_window_serves_every_place(scene):
    async def acts(client: ReadingClient) -> None:
        client.open(OTHER, SHORT)
        await client.has_read(1)
        await client.inline(OTHER, 4, 30)
        [(prompt, read_before)] = client.engine.completed
        assert read_before == 1
        assert prompt[:8] == client.engine.read_prompts[0][:8]

    scene(acts)


def test_of_a_long_document_nothing_is_read_before_a_place_is_known(scene):
    async def acts(client: ReadingClient) -> None:
        client.open(OTHER, TEXT)
        await client.idle()
        assert not client.engine.read_prompts

    scene(acts)


def test_an_edit_far_from_the_last_request_is_read_at_its_end(scene):
    async def acts(client: ReadingClient) -> None:
        await client.inline(URI, 2, 10)
        client.type_at(URI, LINE, 8, "v")
        await client.has_read(1)
        await client.inline(URI, LINE, 9)
        assert client.engine.completed[-1][0] == client.engine.read_prompts[0]

    scene(acts)


def test_an_edit_near_the_last_request_is_left_to_the_next_request(scene, monkeypatch):
    monkeypatch.setattr(reading_ahead, "PAUSE_S", 60)

    async def acts(client: ReadingClient) -> None:
        await client.inline(URI, LINE, 8)
        client.type_at(URI, LINE, 8, "v")
        await client.idle()
        assert not client.engine.read_prompts

    scene(acts)


def test_edits_above_a_request_leave_the_position_of_its_reply(scene, monkeypatch):
    noted: list[CompletionPlace] = []
    note_request = ReadingAhead.note_request

    def note(self: ReadingAhead, place: CompletionPlace) -> bool | None:
        noted.append(place)
        return note_request(self, place)

    monkeypatch.setattr(ReadingAhead, "note_request", note)

    async def acts(client: ReadingClient) -> None:
        await client.inline(URI, LINE, 8)
        client.type_at(URI, 0, 0, "import os\n")
        await client.idle()
        assert client.server.reading_ahead.places.last_in(URI) == types.Position(1, 0)
        assert types.Position(LINE + 1, 8) in client.server.reading_ahead.places._places[URI]

    scene(acts)
    assert noted[0].position == types.Position(LINE, 8)


def test_edits_of_a_hundred_documents_at_once_read_the_last_one(scene):
    async def acts(client: ReadingClient) -> None:
        for number in range(100):
            client.open(f"file:///many{number}.py", TEXT)
        for number in range(100):
            client.type_at(f"file:///many{number}.py", LINE, 8, "value_1")
        await client.idle()
        assert len(client.engine.read_prompts) == 1

    scene(acts)


def test_in_a_pause_the_last_place_elsewhere_in_the_document_is_read_once(scene):
    async def acts(client: ReadingClient) -> None:
        await client.inline(URI, LINE, 8)
        client.type_at(URI, 0, 0, "import os\n")  # what was read at the end of this document is of no use now
        await client.inline(URI, 1, 0, invoked=True)
        await client.has_read(1)
        await asyncio.sleep(0.2)
        assert len(client.engine.read_prompts) == 1
        await client.inline(URI, LINE + 1, 8)
        assert client.engine.completed[-1][0] == client.engine.read_prompts[0], "it moved with the line above"

    scene(acts)


def test_in_a_pause_the_last_place_in_the_other_document_is_read_once(scene):
    async def acts(client: ReadingClient) -> None:
        await client.inline(URI, LINE, 8)
        client.open(OTHER, TEXT)
        client.change(URI, "import os\n" * 10 + TEXT[:-1] + "v\n")
        await client.inline(OTHER, LINE, 8)
        await client.has_read(1)
        await asyncio.sleep(0.2)
        assert len(client.engine.read_prompts) == 1

    scene(acts)


def test_in_a_pause_the_end_of_a_long_block_is_read_and_the_place_of_the_user_stays(scene):
    async def acts(client: ReadingClient) -> None:
        client.open(OTHER, BLOCK + TEXT)
        await client.inline(OTHER, 2, 10)
        anchor = client.server.completer.sessions[OTHER]._prompts.anchor
        await client.has_read(1)
        assert client.server.completer.sessions[OTHER]._prompts.anchor is anchor
        end = client.engine.tokenizer.decode(client.engine.read_prompts[0])
        assert end.endswith("    step")

    scene(acts)


def test_pauses_leave_half_of_the_budget_to_places_where_the_user_goes(scene):
    async def acts(client: ReadingClient) -> None:
        ahead = client.server.reading_ahead
        spent = iter(range(0, 1000, 4))
        ahead.spent = lambda: float(next(spent))  # each reading takes 4 of the 6 seconds
        client.open(OTHER, BLOCK + TEXT)
        client.go_to(OTHER, 70)
        await client.has_read(1)
        await client.inline(OTHER, 2, 10)
        await asyncio.sleep(0.2)
        assert len(client.engine.read_prompts) == 1
        client.go_to(OTHER, 80)
        await client.has_read(2)

    scene(acts)


def test_a_document_of_100000_lines_opened_and_closed_at_once_is_not_read(scene):
    async def acts(client: ReadingClient) -> None:
        client.open(OTHER, "value = 1\n" * 100_000)
        client.go_to(OTHER, 50_000)
        client.notify("textDocument/didClose", {"textDocument": {"uri": OTHER}})
        await client.idle()
        await asyncio.sleep(0.1)
        assert not client.engine.read_prompts

    scene(acts)


def test_after_a_night_asleep_reading_goes_on_with_one_place(scene):
    async def acts(client: ReadingClient) -> None:
        ahead, now = client.server.reading_ahead, [0.0]
        ahead.clock = lambda: now[0]
        client.go_to(URI, 20)
        await client.has_read(1)
        now[0] += 36_000
        for line in (30, 40, 50):
            client.go_to(URI, line)
        await client.has_read(2)
        assert len(client.engine.read_prompts) == 2

    scene(acts)


def test_models_closed_while_reading_stop_it_and_are_opened_once(scene):
    async def acts(client: ReadingClient) -> None:
        client.engine.gate = threading.Event()
        client.go_to(URI)
        while not client.engine.read_prompts:
            await asyncio.sleep(0.001)
        client.server.restart_models()
        await client.ready()
        await client.idle()
        assert client.opened_models == 2
        assert client.engines[0].stops == 1
        assert shown(await client.inline(URI, LINE, 8))

    scene(acts)
