"""CodeGen2 in PyTorch, its growth and its rounding for int4."""
