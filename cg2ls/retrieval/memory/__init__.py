"""Repository memory: votes of the open workspace's own text for the next token."""

from cg2ls.retrieval.memory.memory import Memory

__all__ = ["Memory"]
