"""Local code completion: a language server running quantized CodeGen2 models through ONNX Runtime."""

from cg2ls.privacy import set_variables

__version__ = "0.1.0"

set_variables()
