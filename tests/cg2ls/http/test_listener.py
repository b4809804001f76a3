"""What is written in one step of the event loop is sent at once, and nothing is lost at the end."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cg2ls.http.listener import _JoinedWrites

if TYPE_CHECKING:
    from tests.cg2ls.http.conftest import HttpServer


class Recorder:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def sent_by(*steps: list[bytes], closes: bool = False) -> list[bytes]:
    """Return what a transport is given, where each list is written in one step."""
    recorder: Any = Recorder()

    async def run() -> None:
        joined = _JoinedWrites(recorder)
        for step in steps:
            for data in step:
                joined.write(data)
            if closes:
                joined.close()
            await asyncio.sleep(0)

    asyncio.run(run())
    sent: list[bytes] = recorder.sent
    return sent


def test_head_and_body_are_sent_at_once() -> None:
    assert sent_by([b"head", b"body"], [b"next"]) == [b"headbody", b"next"]


def test_closing_sends_what_is_left() -> None:
    assert sent_by([b"head", b"body"], closes=True) == [b"headbody"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux counts them")
def test_an_idle_server_does_not_wake_up(slow_http: HttpServer) -> None:
    def wake_ups() -> int:
        status = Path(f"/proc/{slow_http.process.pid}/status").read_text()
        found = re.search(r"^voluntary_ctxt_switches:\t(\d+)", status, re.MULTILINE)
        assert found
        return int(found[1])

    slow_http.get("/health")
    time.sleep(0.1)
    before = wake_ups()
    time.sleep(0.5)
    assert wake_ups() - before <= 2


def test_nothing_is_written_after_closing() -> None:
    assert sent_by([b"a"], [b"b"], closes=True) == [b"a"]
