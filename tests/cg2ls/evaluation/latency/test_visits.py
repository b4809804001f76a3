"""Visits: the plan, and a visit at a server, without any measured time in an assertion."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.visits import (
    APART_LINES,
    KEYS_PER_VISIT,
    KINDS,
    Visit,
    VisitLatency,
    measure_visits,
    plan_visits,
)
from cg2ls.evaluation.lsp_client import LspClient
from cg2ls.evaluation.simulation.sources import SourceFile

SOURCES = [
    SourceFile(
        "shop", f"file{number}.py", "python", "".join(f"value_{at} = compute({at})\n" for at in range(200))
    )
    for number in range(5)
]


def test_the_same_seed_plans_the_same_visits_of_every_kind():
    plan = plan_visits(SOURCES, 60, 1)
    assert plan == plan_visits(SOURCES, 60, 1)
    assert plan != plan_visits(SOURCES, 60, 2)
    assert plan[0].kind == "open"
    assert set(Counter(visit.kind for visit in plan)) == set(KINDS)


def test_a_visit_has_the_properties_of_its_kind():
    plan = plan_visits(SOURCES, 60, 3)
    seen: set[tuple[str, int]] = set()
    files: set[str] = set()
    for before, visit in zip([None, *plan], plan, strict=False):
        place = visit.source.name, visit.line
        if visit.kind == "return":
            assert place in seen
        elif visit.kind == "jump":
            assert before is not None
            assert before.source is visit.source
        elif visit.kind == "switch":
            assert before is not None
            assert before.source is not visit.source
            assert visit.source.name in files
        else:
            assert visit.kind == "open"
        seen.add(place)
        files.add(visit.source.name)


def test_places_of_one_file_are_far_apart():
    lines = sorted({visit.line for visit in plan_visits(SOURCES[:1], 100, 1)})
    assert len(lines) > 2
    assert all(later - earlier >= APART_LINES for earlier, later in pairwise(lines))


def test_a_place_is_the_file_without_the_rest_of_the_line():
    source = SourceFile("shop", "a.py", "python", "def f():\n    return 42\n\n")
    visit = Visit("open", source, 1)
    assert visit.start == 4
    assert visit.place(0) == ("def f():\n    \n\n", len("def f():\n    "))
    assert visit.place(2) == ("def f():\n    re\n\n", len("def f():\n    re"))


def test_files_without_a_line_to_write_are_an_error():
    with pytest.raises(EvaluationError, match="longer files"):
        plan_visits([SourceFile("a", "b.py", "python", "x = 1\n")], 3, 0)


@pytest.mark.parametrize("read_ahead", [True, False])
def test_every_key_of_every_visit_is_answered(tiny_model: Path, read_ahead: bool):
    plan = [*plan_visits(SOURCES, 5, 1), Visit("return", SOURCES[0], 40)]
    waits: list[float] = []
    command = [sys.executable, "-m", "cg2ls.evaluation.stub_server", str(tiny_model)]
    found = measure_visits(tiny_model, plan, read_ahead=read_ahead, command=command, wait=waits.append)
    report = found.to_json()
    assert report["visits"] == len(plan)
    assert len(found.later_ms) == len(plan) * (KEYS_PER_VISIT - 1)
    assert len(waits) == len(plan) * (KEYS_PER_VISIT + 1)


@pytest.mark.parametrize("tells_focus", [True, False])
def test_only_an_editor_with_an_extension_tells_where_the_cursor_is(
    tiny_model: Path, monkeypatch, tells_focus
):
    sent: list[str] = []
    notify = LspClient.notify

    def note(client: LspClient, method: str, params: object) -> None:
        sent.append(method)
        notify(client, method, params)

    monkeypatch.setattr(LspClient, "notify", note)
    command = [sys.executable, "-m", "cg2ls.evaluation.stub_server", str(tiny_model)]
    plan = plan_visits(SOURCES, 3, 1)
    measure_visits(
        tiny_model, plan, read_ahead=True, tells_focus=tells_focus, command=command, wait=lambda _: None
    )
    assert sent.count("textDocument/didFocus") == (len(plan) if tells_focus else 0)


def test_processor_time_is_reported_per_minute():
    found = VisitLatency(processor_ms=3000.0, seconds=90.0, later_ms=[1.0])
    found.first_ms["open"].append(2.0)
    assert found.to_json()["processor_s_per_minute"] == 2.0
    found.processor_ms = None
    assert found.to_json()["processor_s_per_minute"] is None
