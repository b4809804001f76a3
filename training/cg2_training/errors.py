"""Errors of the training commands."""

from cg2ls.errors import Cg2Error


class TrainingError(Cg2Error):
    """Recipe, corpus or run that cannot be used; the message names the remedy."""
