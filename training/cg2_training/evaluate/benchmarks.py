"""A checkpoint as a temporary model folder, so that benchmarks run it through the code that serves editors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cg2_quantize.convert import ConversionOptions, convert
from cg2_training.errors import TrainingError
from cg2ls.models.folder.description import DESCRIPTION


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
    with tempfile.TemporaryDirectory(prefix="cg2-train-evaluate-") as temporary:
        folder = Path(temporary) / model.absolute().name
        convert(model, folder, ConversionOptions(precision="fp32", untrained=True))
        yield folder
