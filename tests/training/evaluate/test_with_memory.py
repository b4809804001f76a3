"""A model is evaluated in a repository, alone and with memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg2_training.cli.main import main
from cg2_training.errors import TrainingError
from cg2_training.evaluate.with_memory import evaluate_with_memory
from cg2ls.models.folder.locations import SHIPPED_DEFAULT

MODULE = """\
import os


class Shelf:
    def __init__(self, name, width):
        self.name = name
        self.width_in_centimetres = width

    def fits_on_shelf(self, book):
        return book.width_in_centimetres < self.width_in_centimetres
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("helf", "ack", "oard"):
        (tmp_path / f"{name}.py").write_text(MODULE.replace("helf", name))
    return tmp_path


def test_memory_helps_where_a_repository_repeats_itself(repository: Path) -> None:
    found = evaluate_with_memory(SHIPPED_DEFAULT, [repository], places=8)
    assert found.tokens > 20
    assert found.bits_with_memory.mean < found.bits_alone.mean
    assert found.accuracy_with_memory.mean > found.accuracy_alone.mean
    for each in (found.bits_alone, found.bits_with_memory, found.accuracy_alone, found.accuracy_with_memory):
        assert each.low <= each.mean <= each.high
    again = evaluate_with_memory(SHIPPED_DEFAULT, [repository], places=8)
    assert again == found


def test_the_command_prints_both(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(SHIPPED_DEFAULT), "--memory", str(repository), "--places", "4"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bits_with_memory"]["mean"] < found["bits_alone"]["mean"]
    assert main(command) == 0
    assert "bits per token, with memory" in capsys.readouterr().out


def test_a_checkpoint_is_to_be_converted_first(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cg2-quantize"):
        evaluate_with_memory(tmp_path, [tmp_path])
