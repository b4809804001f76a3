"""Checkpoints to verified model folders, and back."""

import cg2ls  # noqa: F401 - first of all, it turns off what libraries would report
from cg2ls.models.folder.locations import cache_folder
from cg2ls.privacy import keep_compiled_code

keep_compiled_code(cache_folder() / "torch")

try:
    from cg2_quantize.checkpoint.dequantize import dequantize
    from cg2_quantize.convert import ConversionOptions, ConversionReport, convert
except ModuleNotFoundError as missing:
    if missing.name != "onnx":
        raise  # without onnx there is only the command line, which says what to install

__all__ = ["ConversionOptions", "ConversionReport", "convert", "dequantize"]
