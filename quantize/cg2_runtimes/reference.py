"""The model that speed is compared on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cg2_quantize.checkpoint.synthetic import REFERENCE, write_random_checkpoint
from cg2_quantize.convert import convert

SEED = 1


def write_reference_model(folder: Path) -> None:
    """Writes an int8 model folder of random weights in the shape REFERENCE, replacing one that is there.

    The seed is fixed: the weights are the same on every machine.

    Raises:
        Cg2Error: the disk is too full, or a package is missing.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".reference-") as room:
        checkpoint = Path(room) / "reference"
        write_random_checkpoint(checkpoint, REFERENCE, seed=SEED)
        convert(checkpoint, folder, precision="int8", name="reference-8x512", force=True)
