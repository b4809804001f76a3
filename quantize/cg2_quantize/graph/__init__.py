"""Build the ONNX graph of a checkpoint."""
