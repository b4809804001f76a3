"""The shipped model visibly knows Python: fixed cursors, the token each must contain, and text that parses."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cg2ls.models.folder import ModelDescription

DEFAULT = Path(__file__).parents[1] / "cg2ls" / "default"
CURSOR = "‸"
NEEDED = 10


@dataclass(frozen=True)
class Case:
    """A file with a cursor, and what the completion there must contain."""

    source: str
    contains: str


CASES = {
    "alias of a module": Case(
        "import os\nimport numpy as ‸\n\n\ndef mean(x):\n    return np.mean(x)\n", r"^np\b"
    ),
    "opening of range": Case(
        "def total(n):\n    s = 0\n    for i in range‸\n        s += i\n    return s\n", r"^\("
    ),
    "second assignment to self": Case(
        "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = ‸\n", r"^y\b"
    ),
    "main guard": Case("def main():\n    print('hi')\n\n\nif __name__ == ‸\n    main()\n", r"__main__"),
    "exception's name": Case(
        "def parse(text):\n    try:\n        return int(text)\n    except ‸\n        return None\n",
        r"(Error|Exception)\b",
    ),
    "closing of a call": Case("def show(total):\n    print(total‸\n\n\nshow(3)\n", r"\)"),
    "name from 20 lines above": Case(
        "connection_timeout = 30\n"
        + "".join(f"option_{n} = {n}\n" for n in range(20))
        + "\n\ndef connect(host):\n    return open_socket(host, timeout=connection_‸\n",
        r"^timeout\b",
    ),
    "first parameter of a method": Case(
        "class Shape:\n    def __init__(self, side):\n        self.side = side\n\n    def area(‸\n"
        "        return self.side ** 2\n",
        r"^self\b",
    ),
    "items of a dictionary": Case(
        "def dump(options):\n    for key, value in options.‸\n        print(key, value)\n", r"^items\(\)"
    ),
    "append to a list": Case(
        "def squares(numbers):\n    result = []\n    for number in numbers:\n        result.‸\n    return result\n",
        r"^append\(",
    ),
    "half an exception's name": Case(
        "def check(size):\n    if size < 0:\n        raise ValueE‸\n    return size\n", r"^rror\("
    ),
    "name of an opened file": Case(
        "def read(path):\n    with open(path) as ‸\n        return f.read()\n", r"^f\b"
    ),
}


def complete(case: Case, folder: Path) -> str:
    before, after = case.source.split(CURSOR)
    path = folder / "sample.py"
    path.write_text(before + after, encoding="utf-8")
    lines = before.split("\n")
    at = f"{len(lines)}:{len(lines[-1]) + 1}"
    command = [
        sys.executable,
        "-m",
        "cg2ls",
        "complete",
        str(path),
        "--at",
        at,
        "--json",
        "--model",
        str(DEFAULT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return str(json.loads(done.stdout)["text"])


def parses(case: Case, text: str) -> bool:
    try:
        ast.parse(case.source.replace(CURSOR, text))
    except SyntaxError:
        return False
    return True


@pytest.fixture(scope="module")
def completions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("cases")
    return {name: complete(case, folder) for name, case in CASES.items()}


def test_it_knows_python(completions: dict[str, str]) -> None:
    table = {
        name: (bool(re.search(CASES[name].contains, text)), parses(CASES[name], text), text)
        for name, text in completions.items()
    }
    good = [name for name, (right, valid, _) in table.items() if right and valid]
    assert len(good) >= NEEDED, "\n".join(f"{name}: {row}" for name, row in table.items() if name not in good)


def test_shown_text_parses(completions: dict[str, str]) -> None:
    """Nothing may be shown, and a line may end in a bracket that the next line closes."""
    for name, text in completions.items():
        assert not text or text.endswith(("(", "[", "{")) or parses(CASES[name], text), f"{name}: {text!r}"


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 24_000_000


def test_its_card_has_the_measurements() -> None:
    model = ModelDescription.read(DEFAULT)
    assert model.license == "Apache-2.0"
    assert 0 < model.languages["python"].bits_per_byte < 3
    card = (DEFAULT / "README.md").read_text("utf-8")
    assert f"{model.languages['python'].bits_per_byte:.3f}" in card
    assert (DEFAULT / "loss.png").read_bytes().startswith(b"\x89PNG")


REAL_FILES = {
    "cg2ls/files.py": "    path.parent.mkdir(‸",
    "tools/samples/inventory.py": "        return self.price * ‸",
    "training/cg2_training/data/tokenizer.py": "    tokenizer.decoder = ‸",
}
"""Files of this repository and the beginning of a line in each, whose rest is deleted and completed."""


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_file_parses_with_its_completion(name: str, tmp_path: Path) -> None:
    source = (DEFAULT.parents[1] / name).read_text("utf-8")
    beginning = REAL_FILES[name].removesuffix(CURSOR)
    before, found, after = source.partition(beginning)
    assert found
    rest = after[after.index("\n") :]
    case = Case(f"{before}{beginning}{CURSOR}{rest}", "")
    text = complete(case, tmp_path)
    assert text
    assert parses(case, text), text
