"""Visits at another runtime's server get the work of cg2ls."""

from __future__ import annotations

import sys

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.visits import KEYS_PER_VISIT, LOOK_S, Visit
from cg2ls.evaluation.runtimes import visits_race
from cg2ls.evaluation.runtimes.other_runtimes import WorkerClient
from cg2ls.evaluation.runtimes.visits_race import (
    VisitWork,
    Work,
    compare_visits,
    list_work,
    measure_other_visits,
    visit_other_server,
)
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer
from cg2ls.evaluation.simulation.sources import SourceFile

SLOW = """
import json, sys
print(json.dumps({"ready": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    assert request["do"] == "complete"
    ms = 1000.0 * len(request["prompt"]) + request["tokens"]
    print(json.dumps({"ms": [ms], "tokens": [0]}), flush=True)
"""
SOURCE = SourceFile("shop", "a.py", "python", "def f():\n    total = compute_everything()\n")
VISIT = Visit("open", SOURCE, 1)
WORKS = [VisitWork(VISIT, Work([0] * 9, 1), [Work([0], 1), Work([0, 0], 2), Work([0] * 3, 3)])] * 2


def worker():
    return WorkerClient("slow", [sys.executable, "-c", SLOW])


def test_every_key_has_the_prompt_and_the_tokens_of_cg2ls(tiny_model):
    source = SourceFile("shop", "a.py", "python", SOURCE.text + "def g(x):\n    return compute_more(x)\n")
    visits = [Visit("open", source, 1), Visit("jump", source, 3)]
    works = list_work(tiny_model, visits)
    assert [work.visit for work in works] == visits
    assert all(len(work.keys) == KEYS_PER_VISIT for work in works)
    assert all(key.tokens >= 1 for work in works for key in (work.arrival, *work.keys))
    first, second = ({tuple(key.prompt) for key in work.keys} for work in works)
    assert not first & second


def test_visits_at_which_completion_is_suppressed_are_left_out(tiny_model, monkeypatch):
    monkeypatch.setattr(HeadlessEditor, "ask", lambda *_: TimedAnswer("", 0, 0.0, 0.0, reason="silent"))
    with pytest.raises(EvaluationError, match="runs at no visit"):
        list_work(tiny_model, [VISIT])


def test_times_are_those_of_the_answers():
    waits = []
    with worker() as remote:
        found = measure_other_visits(remote, WORKS, asks_on_arrival=False, wait=waits.append)
    assert found.first_ms["open"] == [1001.0] * 2
    assert found.later_ms == [2002.0, 3003.0] * 2
    assert len(waits) == 2 * (1 + KEYS_PER_VISIT)
    assert found.to_json()["processor_s_per_minute"] is None


def test_a_first_key_waits_for_an_answer_that_was_asked_on_arrival():
    waits = []
    with worker() as remote:
        found = measure_other_visits(remote, WORKS[:1], asks_on_arrival=True, wait=waits.append)
    (first,) = found.first_ms["open"]
    assert waits[0] == 0
    assert 9001 - 1e3 * LOOK_S[1] + 1001 <= first <= 9001 - 1e3 * LOOK_S[0] + 1001


def test_a_server_is_visited_by_both_kinds_of_client(monkeypatch, tmp_path):
    started, steps = [], []

    def start(*arguments):
        started.append(arguments[:3])
        return worker()

    monkeypatch.setattr(visits_race, "start_worker", start)
    monkeypatch.setattr(visits_race, "sleep", lambda _: None)
    monkeypatch.setattr(visits_race, "LOOK_S", (0.0, 0.0))
    monkeypatch.setattr(visits_race, "KEY_GAP_S", (0.0, 0.0))
    runtime = ("llamacpp", tmp_path / "python", tmp_path / "model")
    found = visit_other_server(runtime, WORKS, 0, steps.append)
    assert list(found) == ["llamacpp", "llamacpp, on arrival"]
    assert started == [runtime] * 2
    assert len(steps) == 2


def test_ratios_are_of_medians_and_above_one_where_cg2ls_is_faster():
    def run(first, later):
        return {"first_ms": {"all": {"p50": first}}, "later_ms": {"p50": later}}

    found = {"off": run(100, 10), "on": run(50, 10), "x": run(200, 5)}
    assert compare_visits(found, ["off", "on"]) == {
        "off vs x": {"first": 2, "later": 0.5},
        "on vs x": {"first": 4, "later": 0.5},
    }
