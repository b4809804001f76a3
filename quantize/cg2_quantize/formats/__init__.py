"""How matrices are written in each format."""

from cg2_quantize.formats.catalogue import FORMATS, TARGETS, Format, select_format
from cg2_quantize.formats.matrix_writer import FormatError, MatrixWriter

__all__ = ["FORMATS", "TARGETS", "Format", "FormatError", "MatrixWriter", "select_format"]
