"""Whether logits depend on what shares a call is measured on the model, not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine import Engine
from cg2ls.engine.io_binding import IN_PAIRS, SINGLE, Pairs
from cg2ls.engine.model_runner import ALONE
from cg2ls.engine.row_divergence import Divergence


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_model_whose_rows_are_independent_gives_the_same_bits(tiny_checkpoint, tmp_path, words, precision):
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision=precision, name="m"))
    with Engine.open(tmp_path / "model", threads=1) as engine:
        assert engine.divergence(words(60)) == Divergence(0.0, 0, 16)


def test_single_tokens_are_told_from_pairs(tiny_model, words, monkeypatch):
    monkeypatch.setattr("cg2ls.engine.model_runner.in_pairs", lambda *_: SINGLE)
    with Engine.open(Path(tiny_model), threads=1) as engine:
        found = engine.divergence(words(60))
    assert 0 < found.largest < 1e-3, "another order of sums"
    assert "differ by up to" in str(found)


@pytest.mark.parametrize(
    ("kv", "alone"), [(None, Pairs(tokens=True, logits=False)), ("int8", SINGLE)], ids=["float", "int8"]
)
@pytest.mark.parametrize("exact", [True, False])
def test_what_an_int8_model_adds_up_in_integers_is_read_alone_if_that_gives_the_same_bits(
    tiny_checkpoint, tmp_path, words, monkeypatch, kv, alone, exact
):
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(precision="int8", kv=kv, name="m"))
    if not exact:
        monkeypatch.setattr(
            "cg2ls.engine.model_runner.measure_divergence", lambda *_: Divergence(1e-6, 0, ALONE)
        )
    with Engine.open(tmp_path / "model", threads=1) as engine:
        assert engine.divergence(words(60)) == Divergence(0.0, 0, 16)
        pairs = engine._manager.runtime.contexts.newest._calls._pairs
    assert pairs == alone if exact else pairs == IN_PAIRS


def test_the_engine_serves_on_afterwards(engine, words, uncached):
    from cg2ls.engine import Request

    engine.divergence(words(60))
    request = Request(prompt=words(40), max_tokens=5)
    assert [step.token for step in engine.complete(request)] == [step.token for step in uncached(request)]
