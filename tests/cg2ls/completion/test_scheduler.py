"""Races with a fixed order: work continues only when the test lets it."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING

import pytest

from cg2ls.completion.scheduler import Scheduler, WorkError

if TYPE_CHECKING:
    from collections.abc import Callable
from concurrent.futures import CancelledError


class Work:
    """Work that runs until the test lets it finish or stops it."""

    def __init__(self, answer: str = "done") -> None:
        self.started, self.go_on, self.stopped = threading.Event(), threading.Event(), False
        self.answer = answer

    def __call__(self, stop: Callable[[], bool]) -> str:
        self.started.set()
        while not self.go_on.wait(0.002):
            if stop():
                self.stopped = True
                break
        return self.answer


async def begun(work: Work) -> None:
    assert await asyncio.to_thread(work.started.wait, 300)


def test_work_returns_its_result():
    async def scene() -> None:
        scheduler = Scheduler()
        work = Work()
        work.go_on.set()
        assert await scheduler.run("a", work) == "done"
        scheduler.close()

    asyncio.run(scene())


def test_a_newer_request_ends_the_older_one_at_once():
    async def scene() -> None:
        scheduler = Scheduler()
        old, new = Work("old"), Work("new")
        new.go_on.set()
        first = asyncio.create_task(scheduler.run("a", old))
        await begun(old)
        second = asyncio.create_task(scheduler.run("a", new))
        assert await first is None
        assert await second == "new"
        assert old.stopped
        scheduler.close()

    asyncio.run(scene())


def test_documents_do_not_supersede_each_other():
    async def scene() -> None:
        scheduler = Scheduler()
        one, other = Work("one"), Work("other")
        first = asyncio.create_task(scheduler.run("a", one))
        second = asyncio.create_task(scheduler.run("b", other))
        await begun(one)
        one.go_on.set()
        other.go_on.set()
        assert [await first, await second] == ["one", "other"]
        scheduler.close()

    asyncio.run(scene())


def test_superseded_work_in_the_queue_never_runs():
    async def scene() -> None:
        scheduler = Scheduler()
        running, waiting, newest = Work(), Work(), Work()
        first = asyncio.create_task(scheduler.run("a", running))
        await begun(running)
        second = asyncio.create_task(scheduler.run("b", waiting))
        await asyncio.sleep(0)
        third = asyncio.create_task(scheduler.run("b", newest))
        await asyncio.sleep(0)
        running.go_on.set()
        newest.go_on.set()
        await asyncio.gather(first, second, third)
        assert second.result() is None
        assert not waiting.started.is_set()
        scheduler.close()

    asyncio.run(scene())


def test_cancelling_stops_the_work():
    async def scene() -> None:
        scheduler = Scheduler()
        work = Work()
        request = asyncio.create_task(scheduler.run("a", work))
        await begun(work)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        after = Work("after")
        after.go_on.set()
        assert await scheduler.run("a", after) == "after"
        assert work.stopped
        scheduler.close()

    asyncio.run(scene())


def test_errors_reach_the_caller_unless_superseded():
    def fails(stop: Callable[[], bool]) -> str:
        raise ValueError("no")

    async def scene() -> None:
        scheduler = Scheduler()
        with pytest.raises(ValueError, match="no"):
            await scheduler.run("a", fails)
        scheduler.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "raised",
    [
        StopIteration(1),
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        CancelledError(),
    ],
    ids=lambda raised: f"{type(raised).__module__}.{type(raised).__name__}",
)
def test_exceptions_special_to_asyncio_become_errors(raised):
    def fails(stop: Callable[[], bool]) -> str:
        raise raised

    async def scene() -> None:
        scheduler = Scheduler()
        with pytest.raises(WorkError, match=type(raised).__name__):
            await asyncio.wait_for(scheduler.run("a", fails), 20)
        assert await scheduler.run("a", lambda _: "after") == "after"
        told: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        scheduler.run_when_idle(fails, told.set_result)
        assert isinstance(await asyncio.wait_for(told, 20), WorkError)
        scheduler.close()

    asyncio.run(scene())


def test_an_error_after_a_cancellation_is_not_reported():
    told: list[object] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        scheduler = Scheduler()
        running, go_on = threading.Event(), threading.Event()

        def fails(stop: Callable[[], bool]) -> str:
            running.set()
            go_on.wait(300)
            raise ValueError("no")

        request = asyncio.create_task(scheduler.run("a", fails))
        await asyncio.to_thread(running.wait, 300)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        del request
        go_on.set()
        await scheduler.run("b", lambda _: "after")
        await asyncio.sleep(0)
        gc.collect()
        scheduler.close()

    asyncio.run(scene())
    assert told == []


def test_a_wait_can_be_superseded_before_the_work_begins():
    async def scene() -> None:
        scheduler = Scheduler()
        waiting, new = Work(), Work("new")
        new.go_on.set()
        first = asyncio.create_task(scheduler.run("a", waiting, wait=3600))
        await asyncio.sleep(0)
        assert await scheduler.run("a", new, wait=0.001) == "new"
        assert await first is None
        assert not waiting.started.is_set()
        scheduler.close()

    asyncio.run(scene())


def test_a_wait_can_be_cancelled():
    async def scene() -> None:
        scheduler = Scheduler()
        waiting = asyncio.create_task(scheduler.run("a", Work(), wait=3600))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        ready = Work()
        ready.go_on.set()
        assert await scheduler.run("a", ready) == "done"
        scheduler.close()

    asyncio.run(scene())


@pytest.mark.parametrize("by", ["a request", "a key"])
def test_idle_work_ends_at_the_next_request(by):
    async def scene() -> None:
        scheduler = Scheduler()
        idle, wanted = Work(), Work("wanted")
        wanted.go_on.set()
        scheduler.run_when_idle(idle)
        await begun(idle)
        if by == "a key":
            scheduler.interrupt()
        assert await scheduler.run("a", wanted) == "wanted"
        assert idle.stopped
        scheduler.close()

    asyncio.run(scene())


def test_idle_work_does_not_begin_during_a_request_or_after_close():
    async def scene() -> None:
        scheduler = Scheduler()
        busy, idle = Work(), Work()
        task = asyncio.create_task(scheduler.run("a", busy))
        await begun(busy)
        scheduler.run_when_idle(idle)
        busy.go_on.set()
        assert await task == "done"
        scheduler.close()
        scheduler.run_when_idle(idle)
        assert not idle.started.is_set()

    asyncio.run(scene())


def test_work_after_a_pause_is_the_newest_and_not_begun_after_another_request():
    async def scene() -> None:
        scheduler = Scheduler()
        ran: list[str] = []
        scheduler.run_after_pause(0.0, lambda _: ran.append("overtaken by newer work"))
        scheduler.run_after_pause(0.0, lambda _: ran.append("newest"))
        while not ran or scheduler.is_busy:
            await asyncio.sleep(0.001)
        scheduler.run_after_pause(0.0, lambda _: ran.append("before a request"))
        await scheduler.run("a", lambda _: ran.append("request"))
        await asyncio.sleep(0.01)
        scheduler.run_after_pause(0.0, lambda _: ran.append("after the end"))
        scheduler.close()
        await asyncio.sleep(0.01)
        assert ran == ["newest", "request"]

    asyncio.run(scene())


def test_preparation_runs_during_the_wait_and_before_the_work():
    async def scene() -> None:
        scheduler = Scheduler()
        order: list[str] = []
        prepared = threading.Event()

        def prepare(_: object) -> None:
            order.append("prepare")
            prepared.set()

        answer = asyncio.create_task(
            scheduler.run("a", lambda _: order.append("work"), wait=0.3, prepare=prepare)
        )
        assert await asyncio.to_thread(prepared.wait, 300)
        assert order == ["prepare"]
        await answer
        assert order == ["prepare", "work"]
        scheduler.close()

    asyncio.run(scene())


def test_a_newer_request_stops_the_preparation_of_the_older_one():
    async def scene() -> None:
        scheduler = Scheduler()
        old, new, work = Work(), Work(), Work()
        new.go_on.set()
        first = asyncio.create_task(scheduler.run("a", work, wait=300, prepare=old))
        await begun(old)
        assert await scheduler.run("a", new) == "done"
        assert await first is None
        assert old.stopped
        assert not work.started.is_set()
        scheduler.close()

    asyncio.run(scene())


def test_a_cancelled_wait_stops_the_preparation():
    async def scene() -> None:
        scheduler = Scheduler()
        reading = Work()
        waiting = asyncio.create_task(scheduler.run("a", Work(), wait=300, prepare=reading))
        await begun(reading)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while not reading.stopped:
            await asyncio.sleep(0.001)
        scheduler.close()

    asyncio.run(scene())


def test_a_failed_preparation_does_not_stop_the_work():
    async def scene() -> None:
        scheduler = Scheduler()
        work = Work()
        work.go_on.set()

        def fail(_: object) -> None:
            raise ValueError("broken")

        assert await scheduler.run("a", work, wait=0.01, prepare=fail) == "done"
        scheduler.close()

    asyncio.run(scene())


def test_without_a_wait_nothing_is_prepared():
    async def scene() -> None:
        scheduler = Scheduler()
        work, reading = Work(), Work()
        work.go_on.set()
        await scheduler.run("a", work, prepare=reading)
        assert not reading.started.is_set()
        scheduler.close()

    asyncio.run(scene())
