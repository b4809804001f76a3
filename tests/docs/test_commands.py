"""The real argument parsers accept every command in the documentation."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cg2_quantize.cli import COMMANDS as QUANTIZE_COMMANDS
from cg2ls.commandline import Parser
from tests.docs.pages import FENCED, PAGES, ROOT, name_of

PROGRAMS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
PROGRAM = "|".join(sorted(PROGRAMS, key=len, reverse=True))
LINE = re.compile(rf"^\s*(?:\$ )?(?P<command>(?:{PROGRAM})(?: .*)?)$", re.MULTILINE)
INLINE = re.compile(rf"`(?P<command>(?:{PROGRAM})(?: [^`]*)?)`", re.DOTALL)
FLAG = re.compile(r"(?<!\S)--[a-z][\w-]*")
PLACEHOLDER = re.compile(r"[A-Z][A-Z_:/]*|\$\w+|…|\.\.\.")
ELLIPSIS = re.compile(r"…|\.\.\.")
MISSING = re.compile(r"are required|expected (?:at least )?one argument")
"""Errors of parsers for a command that is only mentioned, without its arguments."""

HIDDEN = {"--stdio"}
"""Flags that clients append and `cg2ls` takes without listing them."""


class Parsed(BaseException):
    """Raised when a parser has accepted its arguments, before the command runs."""


def commands_of(page: Path) -> Iterator[tuple[str, bool]]:
    """Yield a page's commands, and whether each is complete, so that it can be run."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    for match in INLINE.finditer(FENCED.sub("", text)):
        yield " ".join(match["command"].split()), False
    indented = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    fenced = "\n".join(match["text"] for match in FENCED.finditer(text))
    for match in LINE.finditer(f"{indented}\n{fenced}"):
        for command in match["command"].split(" && "):
            yield without_comment(command), True


def without_comment(line: str) -> str:
    """Return a command without the comment after it, with `#` or far to the right."""
    return re.split(r"\s{2,}\S*[a-z]|\s#|\s>", re.sub(r"\s+(--?\w)", r" \1", line))[0].strip()


COMMANDS = sorted({(name_of(page), *command) for page in PAGES for command in commands_of(page)})


@pytest.fixture(autouse=True)
def _only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(parse: Callable[..., argparse.Namespace]) -> Callable[..., argparse.Namespace]:
        def parse_and_stop(*given: Any, **named: Any) -> argparse.Namespace:
            parse(*given, **named)
            raise Parsed

        return parse_and_stop

    for parser in (argparse.ArgumentParser, Parser):
        monkeypatch.setattr(parser, "parse_args", stopping(parser.parse_args))


@pytest.mark.parametrize(("page", "command", "whole"), COMMANDS)
def test_the_parser_accepts_the_command(page: str, command: str, whole: bool) -> None:
    program, *arguments = shlex.split(re.sub(r"\[[^\]]*\]", "", command))
    for alternative in alternatives(arguments):
        problem = problem_of(program, alternative)
        if not whole or alternative != arguments or ELLIPSIS.search(command):
            problem = "" if MISSING.search(problem) else problem
        assert not problem or names_a_placeholder(problem, arguments), f"{page}: {problem}"


@pytest.mark.parametrize(("page", "command", "whole"), COMMANDS)
def test_the_help_lists_the_flags(page: str, command: str, whole: bool) -> None:
    if flags := set(FLAG.findall(re.sub(r"[][|]", " ", command))) - HIDDEN - {"--help"}:
        program, *arguments = shlex.split(re.sub(r"\[[^\]]*\]", "", command))
        assert flags <= set(re.findall(r"--[a-z][\w-]*", help_of(program, arguments))), f"{page}: {command}"


def test_each_program_has_commands_in_the_pages() -> None:
    assert {command.split()[0] for _, command, _ in COMMANDS} == set(PROGRAMS)
    assert sum(whole for _, _, whole in COMMANDS) > 30


@pytest.mark.parametrize(
    "command",
    ["cg2ls models lend NAME", "cg2ls stats --weeks 3", "cg2ls stats --days few", "cg2-train export"],
)
def test_a_command_that_does_not_exist_would_be_noticed(command: str) -> None:
    program, *arguments = command.split()
    assert problem_of(program, arguments)


def test_first_words_of_quantize_are_commands_or_checkpoints() -> None:
    """`cg2-quantize` takes any first word as a checkpoint, so its parser notices no command that does not exist."""
    mentioned = {
        command.split()[1] for _, command, _ in COMMANDS if re.match(r"cg2-quantize [a-z]+(?: |$)", command)
    }
    assert mentioned <= set(QUANTIZE_COMMANDS)


def alternatives(arguments: Sequence[str]) -> list[list[str]]:
    """Return one list of arguments for each of `a|b|c`, without ellipses."""
    several = next((argument for argument in arguments if re.fullmatch(r"[a-z]+(\|[a-z]+)+", argument)), None)
    kept = [ELLIPSIS.sub("", argument) for argument in arguments if ELLIPSIS.sub("", argument)]
    if several is None:
        return [kept]
    return [[each if word == several else word for word in kept] for each in several.split("|")]


def problem_of(program: str, arguments: Sequence[str]) -> str:
    """Return a program's parser error for arguments; "" if it accepts them."""
    output = io.StringIO()
    with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
        try:
            run(program, arguments)
        except Parsed:
            return ""
        except SystemExit as ended:
            return output.getvalue() if ended.code else ""
    return output.getvalue() or f"{program} {' '.join(arguments)} ran without parsing"


def help_of(program: str, arguments: Sequence[str]) -> str:
    """Return the help of the subcommand that arguments begin with."""
    words = []
    for argument in arguments[:2]:
        if not re.fullmatch(r"[a-z][a-z-]*", argument):
            break
        words.append(argument)
    if program == "cg2ls" and not words:
        words = ["serve"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit, Parsed):
        run(program, [*words, "--help"])
    return output.getvalue()


def run(program: str, arguments: Sequence[str]) -> None:
    """Call a program's entry point, which `pyproject.toml` names."""
    module, _, function = PROGRAMS[program].partition(":")
    getattr(import_module(module), function)(list(arguments))


def names_a_placeholder(problem: str, arguments: Sequence[str]) -> bool:
    """Tell whether a parser only rejects a word in capitals, which stands for a number or a choice."""
    placeholders = [argument for argument in arguments if PLACEHOLDER.fullmatch(argument)]
    return any(re.search(rf"(?<!\w){re.escape(argument)}(?!\w)", problem) for argument in placeholders)
