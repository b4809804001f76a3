"""Calls with device memory give the results of calls with numpy's memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine import Engine, EngineOptions, Request, model_runner
from cg2ls.engine.io_binding import ANY_ROWS, EVEN_ROWS, CallShape, DeviceBinding, RowPadding


@pytest.fixture
def on_device(tiny_model, monkeypatch):
    """An engine whose inputs and outputs are in a device's memory, which here is the processor's."""

    def new_binding(model, opened, buffers, *, padding):
        vocab = model.architecture.vocab_size
        return DeviceBinding(opened, buffers, vocab, padding=padding, memory="cpu")

    monkeypatch.setattr(model_runner, "_new_binding", new_binding)
    with Engine.open(tiny_model, threads=1, options=EngineOptions(drafts=True)) as engine:
        yield engine


def test_answers_do_not_depend_on_where_inputs_are_stored(on_device, uncached, words):
    on_device._policy.choose_length = lambda source: 5
    for count in (1, 2, 30, 130, 200):
        request = Request(prompt=words(count), max_tokens=9, ignore_stop_tokens=True)
        answer = [step.token for step in on_device.complete(request)]
        assert answer == [step.token for step in uncached(request)]


def test_bindings_kept_for_decoding_do_not_grow_with_prompt_lengths(engine, on_device, words):
    for opened in (engine, on_device):
        for count in range(1, 60):
            list(opened.complete(Request(prompt=words(count)[::-1], max_tokens=3, ignore_stop_tokens=True)))
        kept = [context._binding._decoding for context in opened._manager.runner.contexts._by_last_use]
        assert all(len(bindings) <= 26 for bindings in kept)


@given(st.integers(1, 200), st.data(), st.booleans())
def test_padded_calls_have_even_numbers_of_tokens_and_logits(count, data, logits):
    rows = data.draw(st.integers(1, count))
    shape = CallShape.of(count, rows, RowPadding(tokens=True, logits=logits))
    assert (shape.count, shape.rows) == (count + count % 2, rows + (rows % 2 if logits else 0))
    assert shape.first + shape.skipped == count - rows, "the requested logits begin at the right token"
    assert 0 <= shape.first <= shape.first + shape.rows <= shape.count
    assert shape.skipped in ((0, 1) if logits else (0,))


def test_a_decoded_token_is_padded_to_two_and_its_logits_only_if_required():
    assert CallShape.of(1, 1, EVEN_ROWS) == CallShape(2, 0, 2)
    assert CallShape.of(1, 1, RowPadding(tokens=True, logits=False)) == CallShape(2, 0, 1)


def test_without_padding_a_call_has_the_requested_shape():
    assert CallShape.of(7, 3, ANY_ROWS) == CallShape(7, 4, 3)


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_a_context_is_used_to_its_last_position(tiny_checkpoint, tmp_path, precision, words):
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision=precision, name="m"))
    with Engine.open(tmp_path / "model", threads=1) as engine:
        for left in (1, 2, 3):
            prompt = words(engine.context_length - left)
            steps = list(engine.complete(Request(prompt=prompt, max_tokens=9, ignore_stop_tokens=True)))
            assert len(steps) == left
