"""Arithmetic speed, precision, threads and memory of a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cg2_training.data.shards import TokenShard
from cg2_training.run import hardware
from cg2_training.run.hardware import (
    choose_precision,
    choose_threads,
    flops_per_token,
    measure_matmul_peak,
    nominal_peak,
)
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer
from cg2ls.models.codegen2 import CodeGenConfig

CONFIG = CodeGenConfig(
    n_layer=8, n_embd=512, n_head=8, rotary_dim=32, n_positions=1024, vocab_size=16384, n_inner=2048
)


def test_the_formula_counts_blocks_head_and_attention() -> None:
    blocks = 8 * 12 * 512**2
    head = 512 * 16384
    attention = 12 * 8 * 512 * 1024
    assert flops_per_token(CONFIG) == 6 * (blocks + head) + attention


def test_a_profiler_counts_the_same(recwarn: pytest.WarningsRecorder, monkeypatch) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from cg2_training.model import attention
    from cg2_training.model.codegen import CodeGen

    monkeypatch.setattr(attention, "MAX_KEPT_BYTES", 0)  # the counter knows PyTorch's own attention only

    model = CodeGen(CONFIG)
    tokens = torch.zeros(1, CONFIG.n_positions, dtype=torch.int64)
    with (
        FlopCounterMode(display=False) as counter,
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        model(tokens).sum().backward()
    assert counter.get_total_flops() / CONFIG.n_positions == pytest.approx(flops_per_token(CONFIG), rel=0.02)


def test_the_measured_peak_is_plausible() -> None:
    assert 1e9 < measure_matmul_peak(torch.device("cpu"), torch.float32, rounds=1) < 1e15


def test_a_processor_has_no_data_sheet_figure() -> None:
    assert nominal_peak(torch.device("cpu")) is None


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
    assert str(choose_precision("float32", CPU)) == "computing in float32: set by run.precision"
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


@pytest.mark.parametrize(
    ("cores", "load", "threads"),
    [(8, 0.2, 8), (8, 3.4, 5), (8, 30.0, 1), (2, 1.2, 1), (2, 0.3, 2), (1, 9.0, 1)],
)
def test_threads_are_as_many_as_idle_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, load: float, threads: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("cg2_training.run.hardware.DEFAULT_THREADS", cores)
    monkeypatch.setattr("cg2_training.run.hardware._load", lambda: load)
    chosen = choose_threads(0, 0)
    assert chosen.count == threads
    assert f"{cores} cores, a load of {load:.1f}" in str(chosen)
    assert ("run.threads" in str(chosen)) == (threads < cores)


def test_explicit_numbers_override_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cg2_training.run.hardware.DEFAULT_THREADS", 4)
    monkeypatch.setattr("cg2_training.run.hardware._load", lambda: 100.0)
    assert str(choose_threads(3, 2)) == "3 threads: run.threads"
    assert choose_threads(0, 2).count == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert choose_threads(0, 0).count == 4


PROGRAM = """
import resource, sys
import torch
from cg2_training.run.hardware import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def faults(steps):
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        large, larger = torch.zeros(12 << 20), torch.zeros(24 << 20)
        del large, larger
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun

faults(10)
print(faults(4))
"""


def faults(how: str) -> int:
    """Pages that four rounds of 144 MB had to be given, after ten in which the heap finds its size."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is a library of Linux")
def test_memory_that_was_freed_is_there_for_the_next_step() -> None:
    if not hasattr(hardware.ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("this system's C library is not glibc")
    assert faults("keep") < 1000 < faults("as it is")


def test_other_systems_keep_their_allocator(monkeypatch) -> None:
    monkeypatch.setattr(hardware.sys, "platform", "darwin")
    assert not hardware.keep_freed_memory()
