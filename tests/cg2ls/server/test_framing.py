"""Messages are read from a stream of bytes, cut anywhere and damaged."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.server import framing
from cg2ls.server.framing import Damage, Frames

BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def fed(*chunks: bytes) -> list[bytes | Damage]:
    frames = Frames()
    return [found for chunk in chunks for found in frames.feed(chunk)]


@given(BODIES, st.lists(st.integers(0, 400), max_size=6))
def test_messages_are_complete_however_the_stream_is_cut(bodies, cuts):
    stream = b"".join(map(framed, bodies))
    ends = sorted({0, len(stream), *(cut for cut in cuts if cut <= len(stream))})
    chunks = [stream[begin:end] for begin, end in pairwise(ends)]
    assert fed(*chunks) == bodies


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 2\r\n\r\n",
        b"content-length:2\r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\r\nContent-Type: x\r\n\r\n",
        b"Content-Length: 2\n\n",
    ],
)
def test_headers_of_every_kind_are_read(header):
    assert fed(header + b"{}") == [b"{}"]


@pytest.mark.parametrize(
    "damaged",
    [
        b"Content-Length: two\r\n\r\n",
        b"Content-Type: x\r\n\r\n",
        b"Content-Length: -2\r\n\r\n",
        b"\r\n\r\n",
        b"junk\r\n\r\n",
    ],
)
def test_a_header_without_a_length_is_reported_and_skipped(damaged):
    found = fed(damaged + framed(b"next"))
    assert isinstance(found[0], Damage)
    assert found[-1] == b"next"


def test_a_length_that_is_too_small_loses_only_that_message():
    found = fed(b'Content-Length: 4\r\n\r\n{"a": 1}' + framed(b"next"))
    assert found[0] == b'{"a"'
    assert isinstance(found[1], Damage)
    assert found[2] == b"next"


def test_a_header_without_an_end_does_not_fill_the_memory():
    frames = Frames()
    found = [each for _ in range(100) for each in frames.feed(b"x" * 1000)]
    assert found
    assert all(isinstance(each, Damage) for each in found)
    assert len(frames._buffer) <= framing.MAX_HEADER_BYTES
    assert list(frames.feed(b"\r\n\r\n" + framed(b"next")))[-1] == b"next"


def test_a_message_that_is_too_long_is_skipped_and_not_kept(monkeypatch):
    monkeypatch.setattr(framing, "MAX_MESSAGE_BYTES", 10)
    frames = Frames()
    found = list(frames.feed(b"Content-Length: 1000\r\n\r\n"))
    for _ in range(10):
        found += frames.feed(b"x" * 100)
        assert len(frames._buffer) == 0
    assert isinstance(found[0], Damage)
    assert list(frames.feed(framed(b"next"))) == [b"next"]


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([framed(b"{}"), b"\r\n\r\n", b"Content-Length: "]),
        max_size=8,
    )
)
def test_reading_continues_after_any_message(chunks):
    for found in fed(*chunks):
        assert isinstance(found, (bytes, Damage))
