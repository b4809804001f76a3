"""Line-by-line JSON between the measuring process and one engine's worker; the worker's side.

    {"do": "generate", "prompt": [ids], "tokens": n}        → {"ms": [times], "tokens": [ids], "outside_ms": x}
    {"do": "key", "prompt": [ids], "key": id, "tokens": n}  → the same

A reply has when each token was at hand in Python, counted from the request's begin, and where an engine knows it
the time per decoded token that was not spent in its runtime (else null). A worker's first line is
`{"ready": version}`. It needs the standard library alone, since it also runs in environments that were made
for another runtime.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Protocol, TextIO

Json = dict[str, Any]

Emit = Callable[[int], None]
"""Takes a token at the moment it is known."""


class Contestant(Protocol):
    """One engine with a model. All choose the likeliest token, and go on past tokens that mean the end.

    Attributes:
        version: of the engine.
        outside_ms: milliseconds per token of the last answer, its first left out, that were not spent in the
            runtime; None where that is not known.
    """

    version: str
    outside_ms: float | None

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Reads a prompt that nothing is kept of and generates exactly so many tokens."""
        ...

    def keep(self, prompt: Sequence[int]) -> None:
        """Reads a prompt and keeps whatever helps with longer ones; not timed."""
        ...

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Generates exactly so many tokens after the kept prompt and one more token."""
        ...


def serve(contestant: Contestant, requests: Iterable[str], replies: TextIO) -> None:
    """Answers requests until they end."""
    _send(replies, {"ready": contestant.version})
    for line in requests:
        _send(replies, _reply(contestant, json.loads(line)))


def _reply(contestant: Contestant, request: Json) -> Json:
    """Runs one request. Python collects no garbage while the clock runs."""
    tokens: list[int] = []
    times: list[float] = []

    def emit(token: int) -> None:
        times.append(perf_counter())
        tokens.append(token)

    if request["do"] == "key":
        contestant.keep(request["prompt"])
    gc.collect()
    gc.disable()
    began = perf_counter()
    if request["do"] == "key":
        contestant.answer(request["key"], request["tokens"], emit)
    else:
        contestant.generate(request["prompt"], request["tokens"], emit)
    gc.enable()
    milliseconds = [1e3 * (time - began) for time in times]
    return {"ms": milliseconds, "tokens": tokens, "outside_ms": contestant.outside_ms}


def serve_stdio(contestant: Contestant) -> None:
    """Serves the process that started this one; what libraries print goes to stderr."""
    serve(contestant, sys.stdin, private_stdout())


def private_stdout() -> TextIO:
    """The process's stdout, from which every other writer is turned to stderr."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return ours


def _send(replies: TextIO, reply: Json) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()
