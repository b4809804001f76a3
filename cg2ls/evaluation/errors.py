"""The error of this package."""

from cg2ls.errors import Cg2Error


class BenchError(Cg2Error):
    """A measurement that cannot be made as asked."""


class ReplayError(Cg2Error):
    """Nothing to replay, or a replay that found what must not be."""
