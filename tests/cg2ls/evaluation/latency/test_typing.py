"""A trace against a real engine."""

from __future__ import annotations

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.evaluation.latency.trace import Typist
from cg2ls.evaluation.latency.typing import percentiles, play
from cg2ls.evaluation.quality.errors import ReplayError
from cg2ls.evaluation.quality.headless_editor import OPEN_DOCUMENTS, Editor
from cg2ls.evaluation.quality.sources import Source


def test_every_key_is_timed_and_costs_few_tokens(tiny_engine, shop):
    editor = Editor(tiny_engine, CompletionOptions(line_tokens=4, block_tokens=4))
    found = play(editor, Typist([shop]), 60, warm=5)
    report = found.to_json()
    assert report["keys"] == 60
    line, first = report["latency_ms"]["line"], report["latency_ms"]["first_token"]
    assert 0 < first["p50"] <= line["p50"] <= line["p95"] <= line["p99"]
    assert all(early <= late for early, late in zip(found.first_ms, found.line_ms, strict=True))
    assert 0 <= report["reread_tokens"]["p50"] < 30 < tiny_engine.context_length
    assert 0 <= report["before_next_key"] <= 1


def test_a_trace_that_ends_early_counts_what_there_was(tiny_engine, shop):
    keys = list(Typist([shop]))
    assert (
        len(
            play(
                Editor(tiny_engine, CompletionOptions(line_tokens=1, block_tokens=1)), keys[:8], 99, warm=3
            ).line_ms
        )
        == 5
    )


def test_the_answers_depend_on_how_the_model_is_asked(tiny_engine, shop):
    """A smaller context is read from the prompt's own length."""
    lengths = []
    for context in (None, 64):
        answer = Editor(tiny_engine, context_length=context).ask(shop, shop.text, shop.text.index("\n", 600))
        assert answer.cost is not None
        lengths.append(len(answer.cost.prompt))
    assert lengths[1] < 64 <= lengths[0]


def test_an_editor_closes_documents(tiny_engine, shop):
    editor = Editor(tiny_engine, CompletionOptions(line_tokens=1, block_tokens=1))
    for number in range(OPEN_DOCUMENTS + 3):
        editor.ask(Source("r", str(number), "python", shop.text), shop.text, 100)
    assert len(editor._sessions) == OPEN_DOCUMENTS


def test_percentiles():
    assert percentiles([1, 2, 3, 4, 5], (50, 95)) == {"p50": 3, "p95": pytest.approx(4.8)}


def test_without_typed_through_the_model_runs_at_every_key(tiny_engine, shop):
    short = {"line_tokens": 4, "block_tokens": 4}
    alone = CompletionOptions(**short, disabled_rules=frozenset({"typed_through"}))
    keys = list(Typist([shop]))
    assert all(play(Editor(tiny_engine, alone), keys, 60).asked)
    assert not all(play(Editor(tiny_engine, CompletionOptions(**short)), keys, 60).asked)


def test_silence_is_counted_apart_and_nothing_but_silence_is_an_error(tiny_engine, shop):
    off = Editor(tiny_engine, CompletionOptions(automatic=False))
    found = play(off, Typist([shop]), 10)
    assert found.silent == 10
    with pytest.raises(ReplayError, match="silent at every key"):
        found.to_json()
