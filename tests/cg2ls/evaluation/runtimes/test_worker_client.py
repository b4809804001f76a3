"""Processes that are measured."""

from __future__ import annotations

import sys

import pytest

from cg2ls.evaluation.errors import BenchError
from cg2ls.evaluation.runtimes.worker_client import Remote, last_line

ECHO = """
import json, sys
print(json.dumps({"ready": "1.2"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["tokens"] == 13:
        sys.exit("ValueError: 13 is too many.")
    print(json.dumps({"ms": [1.0], "tokens": request["prompt"] + [request.get("key", 0)]}), flush=True)
"""


def worker(code: str) -> Remote:
    return Remote("echo", [sys.executable, "-c", code])


def test_it_talks_to_the_worker():
    with worker(ECHO) as remote:
        assert remote.version == "1.2"
        assert remote.generate([3, 4], 1)["tokens"] == [3, 4, 0]
        assert remote.key([3], 8, 1)["tokens"] == [3, 8]


def test_closing_ends_the_process():
    with worker(ECHO) as remote:
        process = remote._process
    assert process.poll() == 0


def test_a_worker_that_never_gets_ready_is_an_error_with_its_last_words():
    with pytest.raises(BenchError, match=r"echo ended early \(no such model\)\."):
        worker("import sys; sys.exit('Traceback\\n  no such model.')")


def test_a_worker_that_dies_is_an_error_with_its_last_words():
    with (
        worker(ECHO) as remote,
        pytest.raises(BenchError, match=r"echo ended early \(ValueError: 13 is too many\)\."),
    ):
        remote.generate([1], 13)


def test_a_program_that_is_not_there_is_an_error():
    with pytest.raises(BenchError, match="could not be started"):
        Remote("echo", ["/nowhere/python"])


def test_last_line():
    assert last_line("a\nb.\n\n") == "b"
    assert last_line("") == "it said nothing"
