"""Readers: from a place on disk to drafts. Nothing that is read is imported, built or run."""

from cg2_training.corpus.readers.places import KINDS, Place, kind_of, places_of
from cg2_training.corpus.readers.reading import read

__all__ = ["KINDS", "Place", "kind_of", "places_of", "read"]
