"""Errors whose messages are for users."""

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the system's errors of a write for which there is no room; they come without a path."""


class Cg2Error(Exception):
    """An error for users: one sentence with the subject, the fact and the action.

    Command lines print it without a traceback and exit with `exit_code`; the language server turns it
    into an LSP error or a message.
    """

    exit_code = 1


class EvaluationError(Cg2Error):
    """A measurement that cannot be made as requested, or that found a fault."""
