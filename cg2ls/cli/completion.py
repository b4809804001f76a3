"""`cg2ls completion`: print a script that completes the commands in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.errors import Cg2Error
from cg2ls.installation import install_command

if TYPE_CHECKING:
    import argparse

SHELLS = ("bash", "zsh", "tcsh")

EPILOG = """\
examples:
  cg2ls completion bash > ~/.local/share/bash-completion/completions/cg2ls
  cg2ls completion zsh > ~/.zfunc/_cg2ls        with fpath+=~/.zfunc before compinit
"""


class NoShtabError(Cg2Error):
    """The package that writes the scripts is missing."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    import argparse

    parser = commands.add_parser(
        "completion",
        help="print a script that completes these commands in a shell",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script.

    Raises:
        NoShtabError: the package `shtab` is missing.
    """
    from cg2ls.cli.main import make_whole_parser

    try:
        import shtab
    except ModuleNotFoundError:
        raise NoShtabError(
            f"Completion in a shell needs shtab; install it with: {install_command('shtab')}"
        ) from None
    print(shtab.complete(make_whole_parser(), shell=arguments.shell))
    return 0
