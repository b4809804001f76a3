"""Starting the server."""

from __future__ import annotations

import os

import pytest

from cg2ls.evaluation.errors import BenchError
from cg2ls.evaluation.latency.startup import measure_start, resident_mb


def test_the_server_gets_ready_and_tells_its_memory(tiny_model):
    start = measure_start(tiny_model, starts=1)
    assert start.start_ms > 0
    assert start.memory_mb is None or 20 < start.memory_mb < 1000


def test_a_model_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(BenchError, match="did not get ready"):
        measure_start(tmp_path, starts=1)


def test_memory_of_no_process_is_unknown():
    assert resident_mb(os.getpid()) != 0
    assert resident_mb(2**22 + 1) is None
