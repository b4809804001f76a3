"""CodeGen2 in PyTorch, and its growth."""
