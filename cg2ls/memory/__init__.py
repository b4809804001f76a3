"""What the open repository's own text says about the next token."""

from cg2ls.memory.memory import Memory

__all__ = ["Memory"]
