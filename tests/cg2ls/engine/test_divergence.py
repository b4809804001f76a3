"""Whether logits depend on what shares a call is measured on the model, not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_quantize import convert
from cg2ls.engine import Engine
from cg2ls.engine.divergence import Divergence


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_model_whose_rows_are_independent_gives_the_same_bits(tiny_checkpoint, tmp_path, words, precision):
    convert(tiny_checkpoint, tmp_path / "model", precision=precision, name="m")
    with Engine.open(tmp_path / "model", threads=1) as engine:
        assert engine.divergence(words(60)) == Divergence(0.0, 0, 16)


def test_single_tokens_are_told_from_pairs(tiny_model, words, monkeypatch):
    monkeypatch.setattr("cg2ls.engine.runtime.in_pairs", lambda model: False)
    with Engine.open(Path(tiny_model), threads=1) as engine:
        found = engine.divergence(words(60))
    assert 0 < found.largest < 1e-3, "another order of sums"
    assert "differ by up to" in str(found)


def test_the_engine_serves_on_afterwards(engine, words, uncached):
    from cg2ls.engine import Request

    engine.divergence(words(60))
    request = Request(prompt=words(40), max_tokens=5)
    assert [step.token for step in engine.complete(request)] == [step.token for step in uncached(request)]
