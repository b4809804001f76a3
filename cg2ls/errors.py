"""The one base class of errors meant for people."""


class Cg2Error(Exception):
    """A problem stated in one sentence that names the thing and the mend.

    Command lines print it without a traceback and exit with `exit_code`; the language server turns it
    into an LSP error or a message.
    """

    exit_code = 1
