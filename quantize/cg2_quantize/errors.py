"""Errors of conversions."""

from __future__ import annotations

from cg2ls.errors import Cg2Error


class QuantizeError(Cg2Error):
    """A conversion that cannot be done as requested."""
