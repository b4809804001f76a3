"""What the open repository's own text says about the next token."""

from cg2ls.retrieval.memory.memory import Memory

__all__ = ["Memory"]
