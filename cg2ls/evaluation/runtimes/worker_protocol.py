"""Line-by-line JSON between the measuring process and one engine's worker; the worker's side.

    {"do": "generate", "prompt": [ids], "tokens": n}        → {"ms": [times], "tokens": [ids], ...}
    {"do": "key", "prompt": [ids], "key": id, "tokens": n}  → the same
    {"do": "complete", "prompt": [ids], "tokens": n}        → the same, by the runtime's own prompt cache if it has one

A reply has the time at which each token was available in Python, counted from the request's start. If the engine
reports it, it also has its own times of the tokens (`reported_ms`), and the time per decoded token outside the runtime
(else null). A worker's first line is
`{"ready": version}`. It needs only the standard library, since it also runs in the environments of other runtimes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Protocol, TextIO, runtime_checkable

Json = dict[str, Any]

Emit = Callable[[int], None]
"""Receives a token as soon as it is known."""


class RuntimeUnderTest(Protocol):
    """Engine with a model. All choose the likeliest token, and continue after end tokens.

    Attributes:
        version: the engine's version.
        outside_ms: milliseconds per token of the last answer outside the runtime, without its first token; None if that
            is not known.
        reported_ms: the runtime's own times of the last answer's tokens, where Python's clock would count more than
            the runtime; None where it counts.
    """

    version: str
    outside_ms: float | None
    reported_ms: Sequence[float] | None

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read an uncached prompt and generate exactly this many tokens."""
        ...

    def keep(self, prompt: Sequence[int]) -> None:
        """Read a prompt and cache it for longer prompts; not timed."""
        ...

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Generate exactly this many tokens after the kept prompt and one more token."""
        ...


@runtime_checkable
class CachesPrompts(RuntimeUnderTest, Protocol):
    """Engine that finds by itself which part of a prompt its cache has."""

    def complete(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read what the cache does not have, and generate exactly this many tokens."""
        ...


def serve(runtime: RuntimeUnderTest, requests: Iterable[str], replies: TextIO) -> None:
    """Answer requests until they end."""
    _send(replies, {"ready": runtime.version})
    for line in requests:
        _send(replies, _run_request(runtime, json.loads(line)))


def _run_request(runtime: RuntimeUnderTest, request: Json) -> Json:
    """Run one request; Python collects no garbage meanwhile."""
    tokens: list[int] = []
    times: list[float] = []

    def emit(token: int) -> None:
        times.append(perf_counter())
        tokens.append(token)

    if request["do"] == "key":
        runtime.keep(request["prompt"])
    gc.collect()
    gc.disable()
    began = perf_counter()
    if request["do"] == "key":
        runtime.answer(request["key"], request["tokens"], emit)
    elif request["do"] == "complete" and isinstance(runtime, CachesPrompts):
        runtime.complete(request["prompt"], request["tokens"], emit)
    else:
        runtime.generate(request["prompt"], request["tokens"], emit)
    gc.enable()
    milliseconds = [1e3 * (time - began) for time in times]
    return {
        "ms": milliseconds,
        "reported_ms": runtime.reported_ms,
        "tokens": tokens,
        "outside_ms": runtime.outside_ms,
    }


def serve_stdio(runtime: RuntimeUnderTest) -> None:
    """Serve the parent process; output of libraries goes to stderr."""
    serve(runtime, sys.stdin, take_stdout())


def take_stdout() -> TextIO:
    """Return the process's stdout; all other output to it goes to stderr."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return ours


def _send(replies: TextIO, reply: Json) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()
