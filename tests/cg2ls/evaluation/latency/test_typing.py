"""A typing trace with a real engine."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from itertools import pairwise

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.typing import SoakResult, measure_typing, run_soak
from cg2ls.evaluation.simulation.headless_editor import (
    MAX_OPEN_DOCUMENTS,
    HeadlessEditor,
    RequestCost,
    TimedAnswer,
)
from cg2ls.evaluation.simulation.sources import SourceFile
from cg2ls.evaluation.simulation.typist import Typist
from cg2ls.evaluation.statistics import percentiles
from cg2ls.machine import read_resident_mb


def test_every_key_is_timed_and_costs_few_tokens(tiny_engine, shop):
    editor = HeadlessEditor(tiny_engine, CompletionOptions(line_tokens=4, block_tokens=4))
    found = measure_typing(editor, Typist([shop]), 60, warm_up=5)
    report = found.to_json()
    assert report["keys"] == 60
    line, first = report["latency_ms"]["line"], report["latency_ms"]["first_token"]
    assert 0 < first["p50"] <= line["p50"] <= line["p95"] <= line["p99"]
    assert all(early <= late for early, late in zip(found.first_ms, found.line_ms, strict=True))
    assert 0 <= report["reread_tokens"]["p50"] < 30 < tiny_engine.context_length
    assert 0 <= report["before_next_key"] <= 1


def test_a_trace_that_ends_early_counts_its_keys(tiny_engine, shop):
    keys = list(Typist([shop]))
    assert (
        len(
            measure_typing(
                HeadlessEditor(tiny_engine, CompletionOptions(line_tokens=1, block_tokens=1)),
                keys[:8],
                99,
                warm_up=3,
            ).line_ms
        )
        == 5
    )


def test_the_answers_depend_on_the_prompting_options(tiny_engine, shop):
    """A smaller context is read from the prompt's own length."""
    lengths = []
    for context in (None, 64):
        answer = HeadlessEditor(tiny_engine, context_length=context).ask(
            shop, shop.text, shop.text.index("\n", 600)
        )
        assert answer.cost is not None
        lengths.append(len(answer.cost.prompt))
    assert lengths[1] < 64 <= lengths[0]


def test_an_editor_closes_documents(tiny_engine, shop):
    editor = HeadlessEditor(tiny_engine, CompletionOptions(line_tokens=1, block_tokens=1))
    for number in range(MAX_OPEN_DOCUMENTS + 3):
        editor.ask(SourceFile("r", str(number), "python", shop.text), shop.text, 100)
    assert len(editor._sessions) == MAX_OPEN_DOCUMENTS


def test_percentiles():
    assert percentiles([1, 2, 3, 4, 5], (50, 95)) == {"p50": 3, "p95": pytest.approx(4.8)}


def test_without_typed_through_the_model_runs_at_every_key(tiny_engine, shop):
    short = {"line_tokens": 4, "block_tokens": 4}
    alone = CompletionOptions(**short, disabled_rules=frozenset({"typed_through"}))
    keys = list(Typist([shop]))
    assert all(measure_typing(HeadlessEditor(tiny_engine, alone), keys, 60).asked)
    assert not all(measure_typing(HeadlessEditor(tiny_engine, CompletionOptions(**short)), keys, 60).asked)


def test_suppressed_keys_are_counted_separately_and_only_suppressed_keys_are_an_error(tiny_engine, shop):
    off = HeadlessEditor(tiny_engine, CompletionOptions(automatic=False))
    found = measure_typing(off, Typist([shop]), 10)
    assert found.silent == 10
    with pytest.raises(EvaluationError, match="silent at every key"):
        found.to_json()


def seen(memory=(100.0, 100.0, 100.0, 100.0), times=(9.0, 9.0, 9.0, 9.0)):
    return SoakResult(400, 3, memory, times)


def test_growth_in_the_beginning_only_is_no_problem():
    assert seen(memory=(50, 100, 101, 102.9), times=(30, 10, 11, 12)).describe_problem() == ""


def test_continued_growth_is_a_problem():
    assert "Memory grew: 104.0 MB" in seen(memory=(90, 100, 102, 104)).describe_problem()
    assert "Answers got slower: 13.0 ms" in seen(times=(9, 10, 12, 13)).describe_problem()


class ModelManager:
    """Keeps some memory from every key."""

    def __init__(self, kilobytes: int, *, asks: bool = True) -> None:
        self.kilobytes = kilobytes
        self.asks = asks
        self.kept: list[object] = []
        self.arrivals: list[object] = []

    def go_to(self, source: object, text: str, offset: int) -> None:
        self.arrivals.append(source)

    def ask(self, source: object, text: str, offset: int) -> TimedAnswer:
        if self.kilobytes:
            # A mapping of its own: a large process would take an array from memory that it has freed.
            kept = mmap.mmap(-1, 1024 * self.kilobytes)
            kept.write(b"x" * len(kept))
            self.kept.append(kept)
        return TimedAnswer("", 0, 0.0, 1.0, RequestCost() if self.asks else None)


def test_a_leak_is_found(shop):
    resident_mb = read_resident_mb(os.getpid())
    assert resident_mb is not None
    leak_kb = int(0.3 * resident_mb)  # 300 keys from the second to the last quarter leak 9 %
    assert "Memory grew" in run_soak(ModelManager(leak_kb), [shop], 600).describe_problem()
    assert run_soak(ModelManager(0), [shop], 600).describe_problem() == ""


@pytest.mark.slow
def test_an_editor_does_not_leak(tiny_engine, shop):
    editor = HeadlessEditor(tiny_engine, CompletionOptions(line_tokens=4, block_tokens=4))
    found = run_soak(editor, [shop], 4000)
    assert found.memory_ratio < 1.03
    assert found.to_json()["soak"]["keys"] == 4000


def test_a_soak_reads_ahead_wherever_the_user_arrives(shop):
    other = replace(shop, path="other.py")
    editor = ModelManager(0)
    run_soak(editor, [shop, other], 600)
    assert len(editor.arrivals) > 1
    assert all(before is not after for before, after in pairwise(editor.arrivals))


def test_what_is_read_ahead_is_found_by_the_next_key(tiny_engine, shop):
    editor = HeadlessEditor(tiny_engine, CompletionOptions(line_tokens=4, block_tokens=4))
    text = shop.text[:400]
    editor.go_to(shop, text, len(text))
    answer = editor.ask(shop, text, len(text))
    assert answer.cost is not None
    assert answer.cost.reread_tokens == 1


def test_a_soak_with_too_few_keys_is_refused(shop):
    with pytest.raises(EvaluationError, match="too short"):
        run_soak(ModelManager(0), [shop], 100)


def test_a_soak_that_never_runs_the_model_is_refused(shop):
    with pytest.raises(EvaluationError, match="ran at no key"):
        run_soak(ModelManager(0, asks=False), [shop], 400)
