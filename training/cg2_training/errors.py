"""Errors of the training commands."""

from cg2ls.errors import Cg2Error


class TrainingError(Cg2Error):
    """A recipe, corpus or run that cannot be used, and what to do about it."""
