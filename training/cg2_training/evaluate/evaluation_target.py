"""What can be evaluated: a checkpoint through PyTorch, a model folder through ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import TokenLosses
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer


def open_subject(path: Path, tokenizer: CodeTokenizer) -> tuple[TokenLosses, int]:
    """Losses of a checkpoint or model folder, and its context length in tokens.

    Raises:
        TrainingError: neither, or its tokenizer is not the one the held-out text was tokenized with.
        Cg2Error: it is damaged.
    """
    if not path.is_dir():
        raise TrainingError(f"{path} is not a folder; name a checkpoint or a model folder.")
    if CodeTokenizer.load(path / "tokenizer.json").to_json() != tokenizer.to_json():
        raise TrainingError(
            f"{path} has another tokenizer than the held-out shard; tokenize the text with its own."
        )
    if (path / "model.json").exists():
        from cg2_training.evaluate.folder_losses import folder_losses
        from cg2ls.models.folder import ModelDescription

        return folder_losses(path), ModelDescription.read(path).context_length
    from cg2_training.model.codegen import load_model, model_losses

    checkpoint = Checkpoint.open(path)
    return partial(model_losses, load_model(checkpoint)), checkpoint.config.n_positions
