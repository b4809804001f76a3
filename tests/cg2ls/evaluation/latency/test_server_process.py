"""The time that the server adds to the engine, measured on the real server with an engine that takes no time."""

from __future__ import annotations

import json
import os

import pytest

from cg2ls.cli.main import main
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.server_process import (
    SessionMemory,
    measure_overhead,
    measure_session_memory,
    measure_start,
)
from cg2ls.machine import read_resident_mb
from cg2ls.models.folder.locations import SHIPPED_DEFAULT


def test_every_key_is_timed_and_compared_with_a_request_that_does_nothing():
    found = measure_overhead(SHIPPED_DEFAULT, lines=200, keys=60)
    assert found.protocol_p50_ms > 0
    assert 0 < found.p50_ms <= found.p95_ms <= found.p99_ms
    assert found.to_json()["keys"] == 60
    assert found.processor_ms is None or found.processor_ms > 0


def test_a_session_is_compared_by_its_second_and_last_quarter():
    found = measure_session_memory(SHIPPED_DEFAULT, documents=3, edits=240, lines=50)
    assert found.second_quarter_mb > 10
    assert found.to_json()["ratio"] == pytest.approx(
        found.last_quarter_mb / found.second_quarter_mb, abs=0.01
    )


def test_the_ratio_is_that_of_the_medians():
    assert SessionMemory(1, 4, 100.0, 103.0).ratio == pytest.approx(1.03)


@pytest.mark.slow
def test_a_long_session_does_not_grow():
    assert measure_session_memory(SHIPPED_DEFAULT, documents=30, edits=1500, lines=100).ratio <= 1.03


def test_the_command_prints_it(capsys):
    assert main(["bench", "--server", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["overhead"]["lines"] == 20_000
    assert found["memory"] is None


def test_the_server_becomes_ready_and_reports_its_memory(tiny_model):
    start = measure_start(tiny_model, starts=1)
    assert 0 < start.start_ms < start.first_answer_ms
    assert start.processor_ms is None or start.processor_ms > 0
    assert start.memory_mb is None or 20 < start.memory_mb < 1000


def test_a_model_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="did not get ready"):
        measure_start(tmp_path, starts=1)


def test_memory_of_no_process_is_unknown():
    assert read_resident_mb(os.getpid()) != 0
    assert read_resident_mb(2**22 + 1) is None
