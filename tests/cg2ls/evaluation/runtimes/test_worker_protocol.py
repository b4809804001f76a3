"""A worker's side of the protocol."""

from __future__ import annotations

import gc
import io
import json

from cg2ls.evaluation.runtimes.worker_protocol import serve


class Counting:
    """Answers with the numbers after the last token it read."""

    version = "7"
    outside_ms = 0.5
    reported_ms = None

    def __init__(self):
        self.kept = []
        self.collecting = []

    def generate(self, prompt, tokens, emit):
        self.collecting.append(gc.isenabled())
        for step in range(tokens):
            emit(prompt[-1] + 1 + step)

    def keep(self, prompt):
        self.kept = prompt

    def answer(self, key, tokens, emit):
        self.generate([*self.kept, key], tokens, emit)


class Caching(Counting):
    """Also answers from its cache, and reports its own times."""

    reported_ms = (0.25,)

    def complete(self, prompt, tokens, emit):
        emit(-1)


def replies_to(*requests, runtime=None):
    replies = io.StringIO()
    serve(runtime or Counting(), [json.dumps(request) for request in requests], replies)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


def test_the_first_line_names_the_version():
    assert replies_to() == [{"ready": "7"}]


def test_every_token_has_its_time():
    _, reply = replies_to({"do": "generate", "prompt": [1, 5], "tokens": 3})
    assert reply["tokens"] == [6, 7, 8]
    assert len(reply["ms"]) == 3
    assert reply["outside_ms"] == 0.5
    assert 0 <= reply["ms"][0] <= reply["ms"][1] <= reply["ms"][2]


def test_a_key_follows_a_kept_prompt():
    _, reply = replies_to({"do": "key", "prompt": [1, 2], "key": 9, "tokens": 2})
    assert reply["tokens"] == [10, 11]


def test_no_garbage_is_collected_while_the_clock_runs():
    runtime = Counting()
    replies_to({"do": "generate", "prompt": [1], "tokens": 1}, runtime=runtime)
    assert runtime.collecting == [False]
    assert gc.isenabled()


def test_an_editors_request_uses_the_prompt_cache_of_a_runtime_that_has_one():
    request = {"do": "complete", "prompt": [1, 5], "tokens": 1}
    assert replies_to(request)[1]["tokens"] == [6]
    assert replies_to(request, runtime=Caching())[1]["tokens"] == [-1]


def test_a_runtimes_own_times_are_beside_pythons():
    request = {"do": "complete", "prompt": [1, 5], "tokens": 1}
    assert replies_to(request)[1]["reported_ms"] is None
    _, reply = replies_to(request, runtime=Caching())
    assert reply["reported_ms"] == [0.25]
    assert len(reply["ms"]) == 1
