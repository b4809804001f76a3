"""The error of this package."""

from cg2ls.errors import Cg2Error


class EvaluationError(Cg2Error):
    """A measurement that cannot be made as requested, or that found a fault."""
