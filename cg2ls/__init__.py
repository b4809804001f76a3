"""Local code completion: a language server running quantized CodeGen2 models through ONNX Runtime."""

__version__ = "0.1.0"
