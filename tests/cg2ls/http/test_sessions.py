from __future__ import annotations

from pathlib import Path

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.evaluation.stub_server import StubEngine
from cg2ls.http.query import Query
from cg2ls.http.sessions import MAX_SESSIONS, Sessions

OPTIONS = CompletionOptions()
LINES = [f"value_{number} = {number}\n" for number in range(60)]


@pytest.fixture
def engine(tiny_model: Path) -> StubEngine:
    return StubEngine(tiny_model)


def test_a_document_is_known_again_while_its_window_moves(engine: StubEngine) -> None:
    sessions = Sessions()
    first = sessions.find(Query(before="".join(LINES[:40]) + "x", language="python"), engine, OPTIONS)
    later = Query(before="".join(LINES[5:45]) + "y = ", language="python")
    assert sessions.find(later, engine, OPTIONS) is first


def test_other_documents_languages_options_and_extras_have_separate_sessions(engine: StubEngine) -> None:
    sessions = Sessions()
    query = Query(before="".join(LINES), language="python")
    found = [
        sessions.find(query, engine, OPTIONS),
        sessions.find(Query(before="other\n" * 40, language="python"), engine, OPTIONS),
        sessions.find(Query(before=query.before, language="lua"), engine, OPTIONS),
        sessions.find(query, engine, CompletionOptions(max_lines=1)),
        sessions.find(Query(before=query.before, language="python", extras=(("a", "b"),)), engine, OPTIONS),
    ]
    assert len(set(map(id, found))) == len(found)
    assert sessions.find(query, engine, OPTIONS) is found[0]


def test_the_oldest_document_is_forgotten(engine: StubEngine) -> None:
    sessions = Sessions()
    queries = [
        Query(before=f"document {number}\n" * 40, language="python") for number in range(MAX_SESSIONS + 1)
    ]
    first, *_ = [sessions.find(query, engine, OPTIONS) for query in queries]
    assert sessions.find(queries[0], engine, OPTIONS) is not first
