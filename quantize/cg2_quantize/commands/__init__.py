"""The commands of `cg2-quantize`, and the parser that all of them begin with."""

from __future__ import annotations

import argparse

from cg2ls.commandline import Parser


def make_parser(program: str, description: str, epilog: str) -> Parser:
    """Return a parser that prints its epilog unchanged."""
    return Parser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
