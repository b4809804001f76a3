"""Targets of an evaluation: a checkpoint through PyTorch, a model folder through ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import TokenLosses
from cg2_training.objective import IGNORED
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.description import DESCRIPTION
from cg2ls.models.graph_io import LOGITS, all_past_names, all_present_names, call_feeds


def open_evaluation_target(path: Path, tokenizer: CodeTokenizer) -> tuple[TokenLosses, int]:
    """Open a checkpoint or model folder; return its losses and its context length in tokens.

    Raises:
        TrainingError: the folder is neither, or its tokenizer differs from that of the held-out text.
        Cg2Error: the folder is damaged.
    """
    if not path.is_dir():
        raise TrainingError(f"{path} is not a folder; name a checkpoint or a model folder.")
    if CodeTokenizer.load(path / "tokenizer.json").to_json() != tokenizer.to_json():
        raise TrainingError(
            f"{path} has another tokenizer than the held-out shard; tokenize the held-out text with its tokenizer."
        )
    if (path / "model.json").exists():
        return folder_losses(path), ModelDescription.read(path).context_length
    from cg2_training.model.codegen import load_model, model_losses

    checkpoint = Checkpoint.open(path)
    return partial(model_losses, load_model(checkpoint)), checkpoint.config.n_positions


CHUNK_TOKENS = 64
"""Tokens of one call, as in the engine: the result of dynamic quantization depends on the call's tokens."""


def folder_losses(folder: Path) -> TokenLosses:
    """Return the losses of a model folder's graph on the CPU, teacher-forced in chunks.

    Raises:
        ModelFolderError: `folder` is not a model folder.
        EngineError: onnxruntime cannot run it.
    """
    from cg2ls.engine.onnx_session import default_threads, open_session

    model = ModelDescription.read(folder)
    session = open_session(folder, model, provider="cpu", threads=default_threads()).session
    shape = model.architecture
    cache = (1, shape.n_head, model.context_length, shape.head_dim)
    past_names = all_past_names(shape.n_layer)
    outputs = [LOGITS, *all_present_names(shape.n_layer)]

    def row_losses(tokens: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        past = {name: np.zeros(cache, np.float32) for name in past_names}
        losses = np.zeros(len(tokens), np.float32)
        for start in range(0, len(tokens), CHUNK_TOKENS):
            chunk = tokens[start : start + CHUNK_TOKENS]
            end = start + len(chunk)
            logits, *present = session.run(outputs, call_feeds(chunk, end) | past)
            past = dict(zip(past_names, present, strict=True))
            losses[start:end] = cross_entropy(logits[0], labels[start:end])
        return losses

    return lambda batch: np.stack([row_losses(*row) for row in zip(batch.tokens, batch.labels, strict=True)])


def cross_entropy(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Compute the nats of labels [time] under logits [time, vocab]; zero where IGNORED."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normalizer = np.log(np.exp(shifted).sum(axis=-1))
    safe_labels = np.where(labels == IGNORED, 0, labels)
    losses = normalizer - np.take_along_axis(shifted, safe_labels[:, None], axis=-1)[:, 0]
    return np.where(labels == IGNORED, np.float32(0), losses).astype(np.float32)


@contextmanager
def open_as_folder(model: Path) -> Iterator[Path]:
    """Yield a model folder: `model` itself, or a conversion of a checkpoint to float32 that is removed afterwards.

    Raises:
        TrainingError: `model` is not a folder.
        Cg2Error: the checkpoint cannot be read or converted.
    """
    if not model.is_dir():
        raise TrainingError(f"{model} is not a folder; name a checkpoint or a model folder.")
    if (model / DESCRIPTION).is_file():
        yield model
        return
    from cg2_quantize.convert import ConversionOptions, convert  # a machine that only trains may lack it

    with tempfile.TemporaryDirectory(prefix="cg2-train-evaluate-") as temporary:
        folder = Path(temporary) / model.absolute().name
        convert(model, folder, ConversionOptions(precision="fp32", untrained=True))
        yield folder
