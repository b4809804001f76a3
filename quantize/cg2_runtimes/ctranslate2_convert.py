"""CTranslate2's own conversion of a checkpoint to int8."""

from __future__ import annotations

from pathlib import Path


def convert(checkpoint: Path, folder: Path) -> None:
    """Writes CTranslate2's files into a folder.

    Its CodeGen loader reads the fused projection in 4 groups unless config.json has `head_dim`, which a
    dequantized checkpoint has not.

    Args:
        checkpoint: in the Hugging Face layout; the fused projection in 4 groups.
        folder: is replaced.
    """
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(checkpoint)).convert(str(folder), quantization="int8", force=True)
