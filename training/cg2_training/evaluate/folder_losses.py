"""A model folder as something to evaluate: the shipped precision, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cg2_training.evaluate.losses import TokenLosses
from cg2_training.objective import IGNORED
from cg2ls.engine.onnx_session import default_threads, open_session
from cg2ls.models.folder import ModelDescription
from cg2ls.models.graph_io import LOGITS, all_past_names, all_present_names, call_feeds

CHUNK = 64
"""Tokens of one call: the engine's size, since dynamic quantization depends on what shares a call."""


def folder_losses(folder: Path) -> TokenLosses:
    """Losses of a model folder's graph on the CPU, teacher-forced in chunks.

    Raises:
        ModelFolderError: it is not a model folder.
        EngineError: onnxruntime cannot run it.
    """
    model = ModelDescription.read(folder)
    session = open_session(folder, model, provider="cpu", threads=default_threads()).session
    shape = model.architecture
    cache = (1, shape.n_head, model.context_length, shape.head_dim)
    past_names = all_past_names(shape.n_layer)
    outputs = [LOGITS, *all_present_names(shape.n_layer)]

    def row_losses(tokens: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        past = {name: np.zeros(cache, np.float32) for name in past_names}
        losses = np.zeros(len(tokens), np.float32)
        for start in range(0, len(tokens), CHUNK):
            chunk = tokens[start : start + CHUNK]
            end = start + len(chunk)
            logits, *present = session.run(outputs, call_feeds(chunk, end) | past)
            past = dict(zip(past_names, present, strict=True))
            losses[start:end] = cross_entropy(logits[0], labels[start:end])
        return losses

    return lambda batch: np.stack([row_losses(*row) for row in zip(batch.tokens, batch.labels, strict=True)])


def cross_entropy(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Nats of labels [time] under logits [time, vocab]; zero where IGNORED."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normalizer = np.log(np.exp(shifted).sum(axis=-1))
    kept = np.where(labels == IGNORED, 0, labels)
    losses = normalizer - np.take_along_axis(shifted, kept[:, None], axis=-1)[:, 0]
    return np.where(labels == IGNORED, np.float32(0), losses).astype(np.float32)
