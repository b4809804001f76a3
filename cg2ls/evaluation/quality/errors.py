"""What can go wrong in a replay."""

from cg2ls.errors import Cg2Error


class ReplayError(Cg2Error):
    """Nothing to replay, or a replay that found what must not be."""
