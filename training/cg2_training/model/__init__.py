"""CodeGen2 in PyTorch."""
