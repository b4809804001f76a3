"""How matrices are written in each format."""

from cg2_quantize.formats.catalogue import FORMATS, TARGETS, Format, format_of
from cg2_quantize.formats.precision import FormatError, Precision

__all__ = ["FORMATS", "TARGETS", "Format", "FormatError", "Precision", "format_of"]
