"""Command line: one module a command, each with `add_parser`."""
