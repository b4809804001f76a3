"""The base class of errors whose messages are for users."""


class Cg2Error(Exception):
    """An error for users: one sentence with the subject, the fact and the action.

    Command lines print it without a traceback and exit with `exit_code`; the language server turns it
    into an LSP error or a message.
    """

    exit_code = 1
