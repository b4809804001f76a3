"""Printed numbers."""

from __future__ import annotations

from collections import defaultdict

import pytest

from cg2ls.evaluation.bench import BenchReport, format_bench
from cg2ls.evaluation.latency.engine_speed import EngineSamples, Workload
from cg2ls.evaluation.latency.server_process import ServerStart
from cg2ls.evaluation.statistics import quartiles


def samples(**by_context):
    return defaultdict(list, {int(key[1:]): values for key, values in by_context.items()})


@pytest.fixture
def report():
    return BenchReport(
        model={"name": "m", "precision": "int8", "shape": "2 x 64, vocabulary 512", "context_length": 1024},
        machine={"cpu": "a processor", "load_before": 0.1},
        workload=Workload(contexts=(64, 512), rounds=3),
        samples={
            "ours": EngineSamples(
                samples(_64=[4, 5, 90], _512=[40, 50, 60]),
                samples(_64=[600] * 3, _512=[390, 400, 410]),
                samples(_64=[10] * 3, _512=[12] * 3),
                samples(_64=[0.1] * 3, _512=[0.2, 0.21, 0.3]),
                [1, 2, 3, 4],
            ),
            "ctranslate2": EngineSamples(
                samples(_64=[8, 10, 11], _512=[40, 40, 41]),
                samples(_64=[400] * 3, _512=[200, 250, 260]),
                samples(_64=[20] * 3, _512=[48] * 3),
                samples(),
                [1, 2, 3, 9],
            ),
        },
        versions={"ours": "0.1.0", "ctranslate2": "4.8.5"},
        start=ServerStart(800.0, 171.5, 850.0, 1200.0),
        threads=2,
    )


def test_an_engine_has_medians_by_context(report):
    ours = report.to_json()["engines"]["ours"]
    assert ours["prefill_ms"] == {"64": 5, "512": 50}
    assert ours["decode_tokens_per_s"] == {"64": 600, "512": 400}
    assert ours["key_to_answer_ms"] == {"64": 10, "512": 12}
    assert (ours["start_ms"], ours["memory_mb"]) == (800.0, 171.5)
    assert (ours["first_answer_ms"], ours["start_processor_ms"]) == (850.0, 1200.0)
    assert ours["quartiles"]["prefill_ms"]["64"] == [4.5, 47.5]


def test_only_ours_reports_time_outside_of_the_runtime(report):
    engines = report.to_json()["engines"]
    assert engines["ours"]["outside_runtime_ms_per_token"] == {"64": 0.1, "512": 0.21}
    assert "outside_runtime_ms_per_token" not in engines["ctranslate2"]
    assert "ours, per decoded token outside of the runtime: 0.10 ms at 64, 0.21 ms at 512" in format_bench(
        report
    )


def test_ratios_are_ours_by_theirs_and_at_512_unless_named(report):
    assert report.compute_ratios() == {
        "decode_vs_ctranslate2": 1.6,
        "decode_vs_ctranslate2_64": 1.5,
        "decode_vs_ctranslate2_512": 1.6,
        "prefill_time_vs_ctranslate2": 1.25,
        "prefill_time_vs_ctranslate2_64": 0.5,
        "prefill_time_vs_ctranslate2_512": 1.25,
        "key_to_answer_time_vs_ctranslate2": 0.25,
        "key_to_answer_time_vs_ctranslate2_64": 0.5,
        "key_to_answer_time_vs_ctranslate2_512": 0.25,
    }


def test_another_runtime_reports_how_often_it_chose_our_first_token(report):
    assert report.to_json()["engines"]["ctranslate2"]["same_first_token"] == 0.75


def test_the_table_has_a_row_per_engine_and_per_ratio(report):
    lines = format_bench(report).splitlines()
    assert "ours                      5.0        50.0" in lines
    assert "ctranslate2              10.0        40.0" in lines
    assert "ours / ctranslate2       0.50        1.25" in lines
    answer = "first answer after 850 ms (1200 ms of processor time)"
    assert lines[-1] == f"server: ready 800 ms after its start, {answer}, 172 MB resident"


def test_quartiles_of_one_sample_are_that_sample():
    assert quartiles([3.0]) == [3.0, 3.0]
