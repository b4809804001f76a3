from __future__ import annotations

from typing import Any

import pytest

from cg2ls.evaluation.replay_report import (
    MAX_NAME_CHARS,
    SHARES,
    format_replay,
    format_visits,
    shorten,
)

LONG = "a-repository-with-a-name-that-does-not-fit-a-terminal"
SHARE = dict.fromkeys(SHARES, 0.1234)
EACH = {"on": 0.1, "off": 0.2, "difference": (-0.1, 0.1)}
REPORT: dict[str, Any] = {
    "model": {"name": "python-27m", "precision": "int4", "context_length": 1024},
    "machine": {"cpu": "AMD EPYC 9654 96-Core Processor", "threads": 2, "load_before": 12.34},
    "files": 1234,
    "keys": 10000,
    "latency_ms": {kind: {"p50": 12.3, "p95": 123.4, "p99": 1234.5} for kind in ("first_token", "line")},
    "reread_tokens": {"p50": 12, "p95": 1234},
    "before_next_key": 0.9,
    "asked_engine": 0.5,
    "silent_keys": 12,
    "positions": 400,
    **SHARE,
    "spread": dict.fromkeys(SHARES, (0.1, 0.2)),
    "kinds": {"argument": SHARE},
    "repositories": {LONG: SHARE},
    "rules": {"drop_unmatched_closers": {"changed": 0.1, "exact_line": EACH, "shown_wrong": EACH}},
    "soak": {
        "keys": 20000,
        "files": 100,
        "resident_mb": [1234.5] * 4,
        "memory_ratio": 1.0,
        "line_ms": [123.4] * 4,
        "latency_ratio": 1.0,
    },
}


def test_every_table_fits_a_terminal_of_80_columns() -> None:
    lines = format_replay(REPORT).splitlines()
    assert [line for line in lines if len(line) > 80] == []


def test_headings_are_words_and_no_names_of_members() -> None:
    text = format_replay(REPORT)
    assert all(title in text for title in SHARES.values())
    assert [name for name in SHARES if "_" in name and name in text] == []


@pytest.mark.parametrize("name", ["short", "x" * MAX_NAME_CHARS, LONG])
def test_a_long_name_keeps_its_ends(name: str) -> None:
    short = shorten(name)
    assert len(short) <= MAX_NAME_CHARS
    assert (short[0], short[-1]) == (name[0], name[-1])
    assert (short == name) == (len(name) <= MAX_NAME_CHARS)


def test_visits_beside_another_server_are_compared_and_have_no_processor_time_of_it():
    def run(first, later, processor_s):
        cuts = {"p50": first, "p95": first, "p99": first}
        return {
            "first_ms": {"all": cuts, "open": cuts},
            "later_ms": {"p50": later, "p95": later, "p99": later},
            "visits": 4,
            "processor_s_per_minute": processor_s,
        }

    report = {
        "visits": {"on": run(20, 5, 20.5), "llamacpp": run(90, 8, None)},
        "ratios": {"on vs llamacpp": {"first": 4.5, "later": 1.6}},
    }
    text = format_visits(report)
    assert "open" in text
    assert text.splitlines()[-2:] == [
        "processor seconds per minute with reading ahead on: 20.5",
        "reading ahead on vs llamacpp: 4.50 times as fast at new places, 1.60 at later keys",
    ]
