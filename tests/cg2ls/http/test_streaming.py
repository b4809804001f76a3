"""Text goes out while the engine decodes, and what was sent is never taken back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from cg2ls.engine.request import Timing
from cg2ls.http.access import RequestRefusedError
from cg2ls.http.answers import CompletionEvents
from cg2ls.http.completer import Answer
from cg2ls.http.insertion import releasable
from cg2ls.http.streaming import ClientGoneError, GrowingAnswer, OnText, until_gone, write_events

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from tests.cg2ls.http.conftest import HttpServer

GROWING: dict[str, Any] = {"prompt": "growing = 1\n\n\ndef f():\n    ", "stream": True}


def read_event(connection: socket.socket) -> Any:
    """Read up to the first event; the head of the answer and the chunk's length are skipped."""
    data = b""
    while b"\n\n" not in data.partition(b"data: ")[2]:
        part = connection.recv(65536)
        assert part, data
        data += part
    return json.loads(data.partition(b"data: ")[2].partition(b"\n\n")[0])


def test_whole_lines_are_sent_while_the_engine_goes_on(fresh_http: HttpServer) -> None:
    with fresh_http.send("/v1/completions", GROWING) as connection:
        event = read_event(connection)
        assert event["choices"][0]["text"] == "first = 1\n    second = 2"
        assert event["choices"][0]["finish_reason"] is None
        fresh_http.wait_for("decoding")
        assert "decoding stopped" not in fresh_http.lines
        assert "cg2ls_http_requests_running 2" in fresh_http.get("/metrics").body.decode()
    fresh_http.wait_for("decoding stopped")  # the client hung up
    counts = fresh_http.get("/metrics").body.decode()
    assert 'path="/v1/completions",status="499"} 1' in counts
    assert "cg2ls_http_requests_running 1" in counts


def test_infill_streams_too(fresh_http: HttpServer) -> None:
    body = {"input_prefix": "growing = 1\n\n\ndef f():\n", "prompt": "    ", "stream": True}
    with fresh_http.send("/infill", body) as connection:
        event = read_event(connection)
    assert event == {"index": 0, "content": "first = 1\n    second = 2", "stop": False}
    fresh_http.wait_for("decoding stopped")


def test_streams_that_are_not_read_hold_up_no_other_request(slow_http: HttpServer) -> None:
    ended = {**GROWING, "prompt": "ended = " + GROWING["prompt"]}
    deaf = [slow_http.send("/v1/completions", ended) for _ in range(20)]
    reply = slow_http.post("/v1/completions", ended)
    assert "".join(pieces_of(reply.events[:-1])).startswith("first = 1\n    second = 2")
    for connection in deaf:
        connection.close()


def result_of(client: asyncio.Event, work: Callable[[], Coroutine[Any, Any, str]]) -> Any:
    """Return the result of work for a client that hangs up when an event is set, and what ends after it."""

    async def receive() -> dict[str, Any]:
        await client.wait()
        return {"type": "http.disconnect"}

    async def run() -> str:
        found = await until_gone(Request({"type": "http", "headers": []}, receive), work())
        await asyncio.sleep(0.01)  # a late cancellation would end this
        return found

    return asyncio.run(run())


def test_work_is_cancelled_when_the_client_hangs_up() -> None:
    client, ends = asyncio.Event(), []

    async def work() -> str:
        client.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return ""

    with pytest.raises(ClientGoneError):
        result_of(client, work)
    assert ends == ["cancelled"]


@pytest.mark.parametrize("steps", range(5))
def test_an_answer_that_is_ready_as_the_client_hangs_up_is_not_cancelled_later(steps: int) -> None:
    client = asyncio.Event()

    async def work() -> str:
        for _ in range(steps):
            await asyncio.sleep(0)
        client.set()
        return "answer"

    assert result_of(client, work) == "answer"


def test_the_end_of_the_server_is_no_client_that_hung_up() -> None:
    async def run() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        request = Request({"type": "http", "headers": []}, receive)
        task = asyncio.ensure_future(until_gone(request, asyncio.sleep(60)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def answer_of(*texts: str) -> Answer:
    return Answer(texts=texts, model="m", outcome="shown", timing=Timing())


def stream_of(texts: list[str], end: Answer | Exception) -> list[Any]:
    """Return the events of an answer that grows by these texts."""

    async def run() -> list[bytes]:
        async def complete(on_text: OnText) -> Answer:
            for text in texts:
                on_text(text)
                await asyncio.sleep(0)
            if isinstance(end, Exception):
                raise end
            return end

        answer = GrowingAnswer(complete)
        first = await answer.next_piece()
        return [part async for part in write_events(answer, first, CompletionEvents("m"))]

    parts = b"".join(asyncio.run(run())).decode().split("\n\n")
    return [json.loads(part[6:]) for part in parts if part and part != "data: [DONE]"]


def pieces_of(events: list[Any]) -> list[str]:
    return [event["choices"][0]["text"] for event in events]


@pytest.mark.parametrize(
    ("texts", "whole", "pieces"),
    [
        ([], "a", ["a", ""]),
        ([], "", ["", ""]),
        (["a", "a\nb"], "a\nb\nc", ["a", "\nb", "\nc", ""]),
        (["a"], "a", ["a", ""]),
        (["a\nb"], "a", ["a\nb", ""]),
        (["a"], "other", ["a", ""]),
        (["a", "other", "a\nb"], "a\nb", ["a", "\nb", ""]),
    ],
)
def test_pieces_make_the_answer_and_none_is_taken_back(
    texts: list[str], whole: str, pieces: list[str]
) -> None:
    assert pieces_of(stream_of(texts, answer_of(whole))) == pieces


def test_failure_after_the_first_piece_is_an_event() -> None:
    first, last = stream_of(["a"], RequestRefusedError(500, "It broke."))
    assert first["choices"][0]["text"] == "a"
    assert last["error"]["message"] == "It broke."


def test_further_completions_follow_the_first_one() -> None:
    events = stream_of(["a"], answer_of("a", "b"))
    assert [(each["choices"][0]["index"], each["choices"][0]["text"]) for each in events] == [
        (0, "a"),
        (0, ""),
        (1, "b"),
        (1, ""),
    ]


@pytest.mark.parametrize(
    ("text", "stops", "released"),
    [
        ("a\nb", (), "a\nb"),
        ("a\n\nb", ("\n\n",), "a"),
        ("a\nen", ("end",), "a\n"),
        ("a\nx</", ("</s>", "</"), "a\nx"),
        ("aa", ("aaa",), ""),
    ],
)
def test_what_a_stop_text_may_cut_is_held_back(text: str, stops: tuple[str, ...], released: str) -> None:
    assert releasable(text, stops) == released
