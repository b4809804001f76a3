"""Errors of the training commands."""

from cg2ls.errors import Cg2Error


class TrainingError(Cg2Error):
    """Recipe, corpus or run that cannot be used; the message names the remedy."""


class CorpusError(TrainingError):
    """Error whose message is one sentence that names the cause and the remedy."""


class ManifestError(CorpusError):
    """The manifest cannot be read, or a value in it is invalid."""


class FetchError(CorpusError):
    """An artifact could not be fetched."""


class HashMismatchError(CorpusError):
    """An artifact has other bytes than the manifest pins."""


class LicenceError(CorpusError):
    """A licence is not on the allow-list, or the artifact contradicts the manifest."""
