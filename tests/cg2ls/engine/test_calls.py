"""Calls that keep everything in a device's memory give what calls on numpy's memory give."""

from __future__ import annotations

import pytest

from cg2ls.engine import Engine, EngineOptions, Request, runtime
from cg2ls.engine.calls import DeviceCalls, filled_up


@pytest.fixture
def on_device(tiny_model, monkeypatch):
    """An engine whose inputs and outputs lie in a device's memory, which here is the processor's."""

    def calls(model, opened, buffers):
        return DeviceCalls(
            opened.ort,
            opened.session,
            buffers,
            model.architecture.vocab_size,
            least=runtime.least_tokens(model),
            memory="cpu",
            graphs=False,
        )

    monkeypatch.setattr(runtime, "_calls", calls)
    with Engine.open(tiny_model, threads=1, options=EngineOptions(drafts=True)) as engine:
        yield engine


def test_answers_are_the_same_wherever_the_inputs_lie(on_device, uncached, words):
    on_device._policy.length = lambda source: 5
    for count in (1, 2, 30, 130, 200):
        request = Request(prompt=words(count), max_tokens=9, past_end=True)
        answer = [step.token for step in on_device.complete(request)]
        assert answer == [step.token for step in uncached(request)]


def test_what_is_kept_for_decoding_does_not_grow_with_the_lengths_of_prompts(engine, on_device, words):
    for opened in (engine, on_device):
        for count in range(1, 60):
            list(opened.complete(Request(prompt=words(count)[::-1], max_tokens=3, past_end=True)))
        kept = [context._calls._decoding for context in opened._keeper.runtime.contexts._by_age]
        assert all(len(bindings) <= 26 for bindings in kept)


@pytest.mark.parametrize(
    ("count", "least", "total", "filled"),
    [(1, 2, 5, 2), (2, 2, 5, 2), (9, 2, 9, 9), (1, 1, 5, 1), (1, 2, 10, 1)],
)
def test_a_single_token_is_filled_up_as_far_as_the_context_has_room(count, least, total, filled):
    assert filled_up(count, least, total, capacity=10) == filled
