"""Argument parsing as this project wants it."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser that states a problem in one line."""

    def error(self, message: str) -> NoReturn:
        """Prints the problem and exits with 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")
