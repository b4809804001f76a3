"""The parser that all commands begin with."""

from __future__ import annotations

import argparse

from cg2ls.commandline import Parser


def parser(program: str, description: str, epilog: str) -> Parser:
    """A parser that shows its epilog as it is written."""
    return Parser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
