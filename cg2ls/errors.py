"""The base class of errors meant for people."""


class Cg2Error(Exception):
    """An error for people: one sentence with the subject, the fact and what to do.

    Command lines print it without a traceback and exit with `exit_code`; the language server turns it
    into an LSP error or a message.
    """

    exit_code = 1
