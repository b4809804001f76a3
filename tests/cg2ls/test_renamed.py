"""Old names of options and flags: accepted alone or with an equal value, refused with another one."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from cg2ls.cli.main import main
from cg2ls.renamed import NEW_OPTIONS, OLD_FLAGS, RENAMED, add_renamed_argument
from cg2ls.server.options import Options, table
from cg2ls.server.settings import Settings

OPTIONS = [each for each in RENAMED if each.kind == "option"]
VALUES: dict[str, tuple[Any, Any]] = {
    "repositoryMemory": (False, True),
    "repositoryMemoryDependencies": (True, False),
    "maxMemoryMb": (300, 400),
}
"""A value of each renamed option that is not its default, and another one."""


def values_of(raw: dict[str, Any], new: str) -> tuple[Any, list[str]]:
    settings = Settings()
    problems = settings.at_start(raw)
    return getattr(settings.of("file:///w/a.py", "python"), table()[new].field), problems


def test_every_renamed_option_is_in_the_table_under_its_new_name_only():
    assert {each.new for each in OPTIONS} == set(VALUES)
    assert {each.new for each in OPTIONS} <= set(table())
    assert not {each.old for each in OPTIONS} & set(table())


@pytest.mark.parametrize("renamed", OPTIONS, ids=lambda each: each.old)
@pytest.mark.parametrize("names", ["old", "new", "both"])
def test_old_and_new_name_of_an_option_mean_the_same(renamed, names):
    value, _ = VALUES[renamed.new]
    assert value != getattr(Options(), table()[renamed.new].field)
    chosen = {"old": [renamed.old], "new": [renamed.new], "both": [renamed.old, renamed.new]}[names]
    assert values_of(dict.fromkeys(chosen, value), renamed.new) == (value, [])


@pytest.mark.parametrize("renamed", OPTIONS, ids=lambda each: each.old)
def test_two_values_under_both_names_of_an_option_are_named(renamed):
    value, other = VALUES[renamed.new]
    for raw in ({renamed.old: other, renamed.new: value}, {renamed.new: value, renamed.old: other}):
        found, problems = values_of(raw, renamed.new)
        assert found == value
        old, new = renamed.old, renamed.new
        sentence = f"The options `{new}` and `{old}` are one option and differ; `{new}` is used."
        assert problems == [f"{sentence} Remove `{old}`, its old name."]


@pytest.mark.parametrize("renamed", OPTIONS, ids=lambda each: each.old)
def test_a_name_that_is_not_set_leaves_the_other_one(renamed):
    value, _ = VALUES[renamed.new]
    assert values_of({renamed.old: None, renamed.new: value}, renamed.new) == (value, [])
    assert values_of({renamed.old: value, renamed.new: None}, renamed.new) == (value, [])


@pytest.mark.parametrize("group", [{"languages": "python"}, {"folders": "/w"}], ids=str)
@pytest.mark.parametrize("old", ["memory", "memoryDependencies"])
def test_languages_and_folders_accept_both_names(group, old):
    (kind, name), new = next(iter(group.items())), NEW_OPTIONS[old]
    value, other = VALUES[new]
    assert values_of({kind: {name: {old: value}}}, new) == (value, [])
    assert values_of({new: other, kind: {name: {old: value}}}, new) == (value, [])
    _, problems = values_of({kind: {name: {old: other, new: value}}}, new)
    assert len(problems) == 1
    assert f"`{kind}.{name}.{old}`, its old name" in problems[0]


def test_a_wrong_value_is_named_as_the_user_wrote_it():
    assert values_of({"memory": "no"}, "repositoryMemory") == (
        True,
        ["The option `memory` must be true or false; the default is used."],
    )


def test_a_misspelt_old_name_suggests_the_new_one():
    _, problems = values_of({"memoryMB": 300}, "maxMemoryMb")
    assert problems == ["`memoryMB` is not an option; did you mean `maxMemoryMb`?"]


def parser_of(flag: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_renamed_argument(parser, flag, choices=("on", "off"), default="on", help="what it does")
    return parser


@pytest.mark.parametrize("flag", OLD_FLAGS)
def test_old_and_new_name_of_a_flag_mean_the_same(flag):
    old, dest = OLD_FLAGS[flag], flag.removeprefix("--").replace("-", "_")
    for arguments, value in (
        ([], "on"),
        ([flag, "off"], "off"),
        ([old, "off"], "off"),
        ([old, "off", flag, "off"], "off"),
        ([flag, "off", flag, "on"], "on"),
    ):
        assert getattr(parser_of(flag).parse_args(arguments), dest) == value
    assert old not in parser_of(flag).format_help().replace(flag, "")


@pytest.mark.parametrize("flag", OLD_FLAGS)
def test_two_values_under_both_names_of_a_flag_are_refused(flag, capsys):
    old = OLD_FLAGS[flag]
    for arguments in ([flag, "off", old, "on"], [old, "on", flag, "off"]):
        with pytest.raises(SystemExit):
            parser_of(flag).parse_args(arguments)
        assert "are one flag and differ; give only one of them." in capsys.readouterr().err


def test_replay_takes_both_names_and_refuses_two_values(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["replay", "src", "--memory", "on", "--repository-memory", "off"])
    assert ended.value.code == 2
    assert "--memory and --repository-memory are one flag and differ" in capsys.readouterr().err
