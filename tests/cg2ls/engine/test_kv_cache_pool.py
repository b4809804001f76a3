"""Several documents share a few contexts, chosen by longest common prefix and last use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.engine import Engine, EngineError, EngineOptions, Request
from cg2ls.engine.kv_cache import count_context_bytes


def text(seed: int, length: int = 40) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(0, 300, length)]


def reused(engine: Engine, prompt: list[int]) -> int:
    list(engine.complete(Request(prompt=prompt, max_tokens=1)))
    return engine.last.reused_tokens


@pytest.fixture
def two(tiny_model):
    with Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=2)) as engine:
        yield engine


def test_returning_to_a_document_reuses_its_context(two):
    reused(two, text(1))
    reused(two, text(2))
    assert reused(two, [*text(1), 7]) == 40
    assert reused(two, [*text(2), 7]) == 40


def test_the_least_recently_used_context_is_replaced(two):
    for seed in (1, 2, 1, 3):
        reused(two, text(seed))
    assert reused(two, [*text(1), 7]) == 40, "2 was older than 1"
    assert reused(two, [*text(2), 7]) == 0


def test_typing_continues_in_the_same_context(two):
    reused(two, text(1))
    reused(two, text(2))
    for typed in range(1, 20):
        assert reused(two, text(1, 60)[: 40 + typed]) == 39 + typed
    assert reused(two, [*text(2), 7]) == 40


def test_a_document_with_the_same_beginning_gets_a_copy_of_the_context(two):
    header = text(9, 15)
    reused(two, header + text(1))
    assert reused(two, header + text(2)) == 15, "copied, not read"
    assert reused(two, [*header, *text(1), 7]) == 55, "and the first document is still there"


edits = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(1, 30)), min_size=1, max_size=12
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(edits=edits)
def test_answers_to_any_order_of_requests_are_those_without_a_cache(tiny_model, uncached, edits):
    with Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=3)) as engine:
        for document, kept, typed in edits:
            prompt = (text(0, 10) + text(document, 60))[: kept + 1] + text(100 + typed, typed)
            request = Request(prompt=prompt, max_tokens=4, ignore_stop_tokens=True)
            answer = [step.token for step in engine.complete(request)]
            assert answer == [step.token for step in uncached(request)]


def test_fewer_contexts_are_made_where_the_limit_has_no_room(tiny_model):
    with Engine.open(tiny_model, threads=1) as engine:
        plan = engine.memory
    assert (plan.contexts, plan.limit) == (4, None)
    limit = (plan.weights + 2.5 * plan.context) / 1e6
    with Engine.open(tiny_model, threads=1, options=EngineOptions(memory_mb=limit)) as engine:
        assert engine.memory.contexts == 2
        assert engine.memory.max_bytes <= limit * 1e6
        assert f"limit {limit:.0f} MB" in str(engine.memory)
        for seed in range(5):
            reused(engine, text(seed))
        assert len(engine._manager.runner.contexts) == 2


def test_a_limit_with_no_room_for_one_context_is_refused_with_the_number_it_would_need(tiny_model):
    with pytest.raises(
        EngineError, match=r"tiny needs \d+ MB, but the memory limit is 0 MB; raise the limit"
    ):
        Engine.open(tiny_model, threads=1, options=EngineOptions(memory_mb=0.01))


def test_a_context_without_memory_is_not_made_and_requests_are_answered(two, monkeypatch):
    reused(two, text(1))

    def full() -> None:
        raise EngineError("There is no memory")

    monkeypatch.setattr(two._manager.runner.contexts, "_make", full)
    assert reused(two, text(2)) == 0
    assert reused(two, text(1)) == 0, "the one context serves both in turn"


def test_the_size_of_a_context_is_what_its_buffers_take(two):
    buffers = two._manager.runner.contexts.newest.buffers
    model = two.model
    taken = sum(array.nbytes for array in buffers._arrays)
    assert count_context_bytes(model.architecture, model.context_length, model.kv_dtype) == taken


@pytest.mark.parametrize("options", [{"contexts": 0}, {"memory_mb": 0.0}, {"idle_s": -1.0}])
def test_invalid_options_are_refused(options):
    with pytest.raises(EngineError, match=next(iter(options))):
        EngineOptions(**options)
