"""Calls that keep everything in a device's memory give what calls on numpy's memory give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine import Engine, EngineOptions, Request, model_runner
from cg2ls.engine.io_binding import IN_PAIRS, SINGLE, DeviceBinding, Pairs, Shape


@pytest.fixture
def on_device(tiny_model, monkeypatch):
    """An engine whose inputs and outputs lie in a device's memory, which here is the processor's."""

    def calls(model, opened, buffers, *, pairs):
        return DeviceBinding(
            opened.ort,
            opened.session,
            buffers,
            model.architecture.vocab_size,
            pairs=pairs,
            memory="cpu",
            graph_ids=None,
        )

    monkeypatch.setattr(model_runner, "_calls", calls)
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
        kept = [context._calls._decoding for context in opened._manager.runtime.contexts._by_age]
        assert all(len(bindings) <= 26 for bindings in kept)


@given(st.integers(1, 200), st.data(), st.booleans())
def test_in_pairs_no_call_has_an_odd_number_of_tokens_or_of_logits(count, data, logits):
    rows = data.draw(st.integers(1, count))
    shape = Shape.of(count, rows, Pairs(tokens=True, logits=logits))
    assert (shape.count, shape.rows) == (count + count % 2, rows + (rows % 2 if logits else 0))
    assert shape.first + shape.skipped == count - rows, "what was asked for begins where it should"
    assert 0 <= shape.first <= shape.first + shape.rows <= shape.count
    assert shape.skipped in ((0, 1) if logits else (0,))


def test_a_decoded_token_is_one_of_two_whose_logits_may_be_alone():
    assert Shape.of(1, 1, IN_PAIRS) == Shape(2, 0, 2)
    assert Shape.of(1, 1, Pairs(tokens=True, logits=False)) == Shape(2, 0, 1)


def test_out_of_pairs_a_call_is_what_was_asked_for():
    assert Shape.of(7, 3, SINGLE) == Shape(7, 4, 3)


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_context_is_used_to_its_last_position(tiny_checkpoint, tmp_path, precision, words):
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision=precision, name="m"))
    with Engine.open(tmp_path / "model", threads=1) as engine:
        for left in (1, 2, 3):
            prompt = words(engine.context_length - left)
            steps = list(engine.complete(Request(prompt=prompt, max_tokens=9, past_end=True)))
            assert len(steps) == left
