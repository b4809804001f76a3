"""Whether logits depend on the other tokens of a call is measured on the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine import Engine
from cg2ls.engine.io_binding import ANY_ROWS, EVEN_ROWS, RowPadding
from cg2ls.engine.model_runner import ROW_TEST_SINGLE_TOKENS, Divergence


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_model_whose_rows_are_independent_gives_the_same_bits(tiny_checkpoint, tmp_path, words, precision):
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision=precision, name="m"))
    with Engine.open(tmp_path / "model", threads=1) as engine:
        assert engine.measure_divergence(words(60)) == Divergence(0.0, 0, 16)


def test_single_tokens_give_other_bits_than_pairs(tiny_model, words, monkeypatch):
    monkeypatch.setattr("cg2ls.engine.model_runner.choose_row_padding", lambda *_: ANY_ROWS)
    with Engine.open(Path(tiny_model), threads=1) as engine:
        found = engine.measure_divergence(words(60))
    assert 0 < found.largest < 1e-3, "another order of sums"
    assert "differ by up to" in str(found)


@pytest.mark.parametrize(
    ("kv", "alone"),
    [(None, RowPadding(tokens=True, logits=False)), ("int8", ANY_ROWS)],
    ids=["float", "int8"],
)
@pytest.mark.parametrize("exact", [True, False])
def test_an_int8_model_runs_single_rows_where_they_give_the_same_bits(
    tiny_checkpoint, tmp_path, words, monkeypatch, kv, alone, exact
):
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision="int8", kv=kv, name="m"))
    if not exact:
        monkeypatch.setattr(
            "cg2ls.engine.model_runner.measure_divergence",
            lambda *_: Divergence(1e-6, 0, ROW_TEST_SINGLE_TOKENS),
        )
    with Engine.open(tmp_path / "model", threads=1) as engine:
        assert engine.measure_divergence(words(60)) == Divergence(0.0, 0, 16)
        padding = engine._manager.runner.contexts.newest._binding._padding
    assert padding == alone if exact else padding == EVEN_ROWS


def test_requests_are_answered_after_the_measurement(engine, words, uncached):
    from cg2ls.engine import Request

    engine.measure_divergence(words(60))
    request = Request(prompt=words(40), max_tokens=5)
    assert [step.token for step in engine.complete(request)] == [step.token for step in uncached(request)]
