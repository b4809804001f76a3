"""Values by workspace, language and model: made once, replaced when outdated, dropped when old."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cg2ls.server.per_workspace import MAX_KEPT, PerWorkspace
from cg2ls.workspace import ReadingRules

RULES = ReadingRules()
ENGINE: Any = SimpleNamespace()


class Values:
    """Numbered values, and those that were dropped."""

    def __init__(self) -> None:
        self.engines = [ENGINE]
        self.dropped: list[int] = []
        self.made = 0
        self.kept: PerWorkspace[int] = PerWorkspace(lambda: self.engines, self.dropped.append)

    def find(
        self,
        folder: str = "a",
        language: str = "python",
        engine: Any = ENGINE,
        rules: ReadingRules = RULES,
        *,
        packages: bool = False,
    ) -> int:
        return self.kept.find(Path(folder), language, engine, rules, self._make, packages=packages)

    def _make(self) -> int:
        self.made += 1
        return self.made


@pytest.fixture
def values() -> Values:
    return Values()


def test_a_value_is_computed_once(values):
    assert [values.find(), values.find()] == [1, 1]
    assert not values.dropped


def test_folders_languages_and_packages_have_values_of_their_own(values):
    found = [values.find(), values.find("b"), values.find(language="c"), values.find(packages=True)]
    assert found == [1, 2, 3, 4]
    assert list(values.kept) == found


def test_other_rules_replace_the_value(values):
    values.find()
    assert values.find(rules=ReadingRules(exclude=("x",))) == 2
    assert values.dropped == [1]
    assert list(values.kept) == [2]


def test_values_of_closed_engines_are_dropped(values):
    values.find("a")
    values.find("b")
    another: Any = SimpleNamespace()
    values.engines = [another]
    assert values.find("a", engine=another) == 3
    assert values.dropped == [1, 2]


def test_the_least_recently_used_value_is_dropped(values):
    for number in range(MAX_KEPT):
        values.find(str(number))
    values.find("0")
    values.find("new")
    assert values.dropped == [2]
    assert len(values.kept) == MAX_KEPT


def test_all_values_are_dropped(values):
    values.find("a")
    values.find("b")
    values.kept.clear()
    assert values.dropped == [1, 2]
    assert not list(values.kept)
