"""Distance of a model folder from optimum's traced export of its checkpoint, an independent reference."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.verification.comparison import Measures, compute_row_logits
from cg2_quantize.verification.heldout import make_heldout_rows
from cg2_runtimes.optimum_runtime import TRACED, trace
from cg2ls.engine.onnx_session import import_onnxruntime
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, ModelDescription

if TYPE_CHECKING:
    from numpy.typing import NDArray

ort = import_onnxruntime()


def distance(checkpoint: Path, folder: Path, tokens: int) -> dict[str, float]:
    """Compare over held-out code, teacher-forced: the traced graph runs a row per call, the folder in chunks.

    Args:
        checkpoint: source of the folder; CodeGen2's fused projection in 4 groups.
        folder: a model folder for processors.
        tokens: number of tokens.

    Returns:
        By the names in report.json: the mean KL divergence from optimum's logits in nats, the share of tokens
        with the same likeliest one, and the largest difference of a logit.
    """
    model = ModelDescription.read(folder)
    tokenizer = CodeTokenizer.load(folder / TOKENIZER, model.tokens)
    rows = make_heldout_rows(tokenizer, model.context_length, tokens)
    measures, largest = Measures(), 0.0
    with tempfile.TemporaryDirectory(prefix="cg2-optimum-") as room:
        trace(checkpoint, Path(room))
        traced = _Traced(Path(room) / TRACED)
        for row, found in zip(rows, compute_row_logits(folder, model, rows), strict=True):
            expected = traced(row)
            measures.add(expected[:-1], found[:-1], row[1:])
            largest = max(largest, float(np.abs(expected - found).max()))
    return {
        "optimum_kl_mean": measures.kl_mean,
        "optimum_top1_agreement": measures.top1_agreement,
        "optimum_largest_difference": largest,
    }


class _Traced:
    """Optimum's graph in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        self._session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._inputs = self._session.get_inputs()

    def __call__(self, row: NDArray[np.int64]) -> NDArray[np.float32]:
        """Compute the logits [length, vocabulary] of a row without a prefix."""
        feeds: dict[str, Any] = {"input_ids": row[None], "attention_mask": np.ones((1, len(row)), np.int64)}
        feeds["position_ids"] = np.arange(len(row))[None]
        for entry in self._inputs:
            if entry.name.startswith("past_key_values."):
                feeds[entry.name] = np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32)
        names = {entry.name for entry in self._inputs}
        logits = self._session.run(["logits"], {name: feeds[name] for name in feeds if name in names})[0]
        return np.asarray(logits[0], np.float32)
