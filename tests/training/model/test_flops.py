"""FLOPs by the stated formula, peaks by measurement."""

from __future__ import annotations

import pytest
import torch

from cg2_training.model.flops import flops_per_token, matmul_peak, nominal_peak
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

    monkeypatch.setattr(attention, "KEPT_BYTES", 0)  # the counter knows PyTorch's own attention only

    model = CodeGen(CONFIG)
    tokens = torch.zeros(1, CONFIG.n_positions, dtype=torch.int64)
    with (
        FlopCounterMode(display=False) as counter,
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        model(tokens).sum().backward()
    assert counter.get_total_flops() / CONFIG.n_positions == pytest.approx(flops_per_token(CONFIG), rel=0.02)


def test_the_measured_peak_is_plausible() -> None:
    assert 1e9 < matmul_peak(torch.device("cpu"), torch.float32, rounds=1) < 1e15


def test_a_processor_has_no_data_sheet_figure() -> None:
    assert nominal_peak(torch.device("cpu")) is None
