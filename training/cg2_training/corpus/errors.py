"""What can stop the corpus from being built."""

from cg2_training.errors import TrainingError


class CorpusError(TrainingError):
    """The corpus cannot be built; the message is one sentence that names the cause and the mend."""


class ManifestError(CorpusError):
    """The manifest cannot be read or says something impossible."""


class FetchError(CorpusError):
    """An artifact could not be fetched."""


class HashMismatchError(CorpusError):
    """An artifact's bytes are not the ones that the manifest pins."""


class LicenceError(CorpusError):
    """A licence is not on the allow-list, or the artifact contradicts the manifest."""
