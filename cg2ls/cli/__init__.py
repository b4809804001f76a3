"""Command line: one module for each command, with a function `add_parser`."""
