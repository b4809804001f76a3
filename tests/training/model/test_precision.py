"""A run multiplies in what the hardware is fast in, says so, and can be told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cg2_training.data.shards import TokenShard
from cg2_training.model.precision import choose_precision
from cg2_training.run.plot import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("features", "line"),
    [
        ({"avx2": True}, "computing in float32: this processor has no bfloat16 instructions"),
        ({"avx512_bf16": True}, "computing in bfloat16: this processor has AVX-512 bfloat16 instructions"),
        (
            {"amx_bf16": True, "avx512_bf16": True},
            "computing in bfloat16: this processor has AMX bfloat16 instructions",
        ),
    ],
)
def test_the_processor_decides(monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], line: str) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: features)
    assert str(choose_precision("auto", CPU)) == line


def test_a_recipe_decides_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True})
    assert str(choose_precision("float32", CPU)) == "computing in float32: run.precision says so"
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    assert str(choose_precision("bfloat16", CPU)).endswith(
        "though this processor has no bfloat16 instructions"
    )


def test_bfloat16_trains_nearly_as_float32(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    losses = {}
    for precision in ("bfloat16", "float32"):
        recipe["run"]["precision"] = precision
        run = Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path / precision)
        assert {parameter.dtype for parameter in run.model.parameters()} == {getattr(torch, precision)}
        assert {master.dtype for master in run.optimizer.weights().values()} == {torch.float32}
        run.fit(progress=False)
        losses[precision] = [entry["loss"] for entry in read_log(tmp_path / precision / "log.jsonl")]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
