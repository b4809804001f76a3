"""Norms' scales moved into the weights after them: the function does not change."""

from __future__ import annotations

import numpy as np

from cg2_quantize.graph.graph_weights import GraphWeights
from cg2ls.models.codegen2 import Checkpoint

NORM = "model.layers.1.ln_1"


def test_norm_and_matrix_together_compute_the_same(checkpoint, config):
    plain, moved = (GraphWeights(Checkpoint.open(checkpoint), moves_norms=moves) for moves in (False, True))
    x = np.random.default_rng(0).standard_normal((5, config.n_embd), dtype=np.float32)
    for name in ("attn.qkv_proj", "mlp.fc_in"):
        results = []
        for weights in (plain, moved):
            gamma, beta = weights.norm(NORM)
            results.append((x * gamma + beta) @ weights.matrix(1, name))
        np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-4)


def test_what_is_left_of_the_norm_has_one_size(checkpoint):
    gamma, _ = GraphWeights(Checkpoint.open(checkpoint), moves_norms=True).norm(NORM)
    np.testing.assert_array_equal(np.abs(gamma), 1)


def test_channels_with_a_nearly_zero_scale_stay(checkpoint, monkeypatch):
    source = Checkpoint.open(checkpoint)
    scale = source.tensor("transformer.h.1.ln_1.weight")
    scale[:3] = 0, 1e-9, -1e-9
    monkeypatch.setattr(Checkpoint, "tensor", lambda self, name: scale.copy())
    gamma, beta = GraphWeights(source, moves_norms=True).norm(NORM)
    np.testing.assert_array_equal(gamma[:3], scale[:3])
    assert np.isfinite(beta).all()
