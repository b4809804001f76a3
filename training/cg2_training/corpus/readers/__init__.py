"""Readers: from a path on disk to documents. Nothing that is read is imported, built or run."""

from cg2_training.corpus.readers.reading import KINDS, STDLIB, Place, detect_kind, find_places, read

__all__ = ["KINDS", "STDLIB", "Place", "detect_kind", "find_places", "read"]
