"""CodeGen2 checkpoints to verified model folders, and back."""

from cg2_quantize.dequantize import dequantize
from cg2_quantize.folder import Report, convert

__all__ = ["Report", "convert", "dequantize"]
