"""Old names of options and flags, which stay valid."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Renamed:
    """One name that was replaced.

    Attributes:
        kind: an option of the server's settings, or a flag of a command line.
        old: the old name.
        new: the new name.
    """

    kind: Literal["option", "flag"]
    old: str
    new: str


RENAMED = (
    Renamed("option", "memory", "repositoryMemory"),
    Renamed("option", "memoryDependencies", "repositoryMemoryDependencies"),
    Renamed("option", "memoryMb", "maxMemoryMb"),
    Renamed("flag", "--memory", "--repository-memory"),
)
"""Every name that was replaced. Both names may be given with equal values; different values are an error."""

NEW_OPTIONS = {each.old: each.new for each in RENAMED if each.kind == "option"}
OLD_OPTIONS = {new: old for old, new in NEW_OPTIONS.items()}
OLD_FLAGS = {each.new: each.old for each in RENAMED if each.kind == "flag"}


class _UnderTwoNames(argparse.Action):
    """Stores a flag's value, and refuses another value under its other name."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the value."""
        given: dict[str, tuple[str | None, Any]] = namespace.__dict__.setdefault("_given_names", {})
        name, value = given.get(self.dest, (option_string, values))
        if name != option_string and value != values:
            parser.error(f"{name} and {option_string} are one flag and differ; give only one of them.")
        given[self.dest] = option_string, values
        setattr(namespace, self.dest, values)


def add_renamed_argument(parser: argparse._ActionsContainer, flag: str, **more: Any) -> None:
    """Add a flag that is also accepted under its old name, which the help does not show.

    Args:
        parser: parser or group of arguments.
        flag: the new name, one of `RENAMED`.
        more: other arguments of `add_argument`.
    """
    dest = more.setdefault("dest", flag.removeprefix("--").replace("-", "_"))
    parser.add_argument(flag, action=_UnderTwoNames, **more)
    hidden = more | {"help": argparse.SUPPRESS, "default": argparse.SUPPRESS, "dest": dest}
    parser.add_argument(OLD_FLAGS[flag], action=_UnderTwoNames, **hidden)
