"""Files to type, and an engine without weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cg2ls.engine import Engine
from cg2ls.evaluation.simulation.sources import SourceFile

SHOP = '''\
"""A shop that doesn't sell."""

import json


class Shop:
    """Keeps (some) things.

    They aren't many.
    """

    def __init__(self, things, *, name="It's \\"ours\\""):
        self.things = {key: [value] for key, value in things.items()}
        self.name = name

    def sell(self, what):
        if what not in self.things:
            raise KeyError(
                f"no {what} in {self.name}: ('(' and ')')",
            )
        return self.things.pop(what)

    def save(self, path):
        with open(path, "w") as file:
            json.dump(
                {
                    "name": self.name,
                    "things": self.things,
                },
                file,
            )


def open_shop(path):
    with open(path) as file:
        raw = json.load(file)  # it's a dict)
    shop = Shop(raw["things"],
                name=raw["name"])
    for _ in range(3):
        pass

    return shop
'''


@pytest.fixture(scope="session")
def shop() -> SourceFile:
    return SourceFile("shops", "shop.py", "python", SHOP)


@pytest.fixture(scope="session")
def tiny_engine(tiny_model: Path) -> Iterator[Engine]:
    with Engine.open(tiny_model, threads=1) as engine:
        yield engine
