"""`cg2ls replay --chaos`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import cg2ls
from cg2ls.cli.main import main
from cg2ls.evaluation.chaos.surroundings import Surroundings

SOURCES = str(Path(cg2ls.__file__).parent / "engine")
FAKE = Path(__file__).parents[1] / "evaluation" / "chaos" / "fake_server.py"


@pytest.fixture
def fake(monkeypatch):
    """Has a fake server stand for the real one, with this fault."""

    def stand(fault: str) -> None:
        command = [sys.executable, str(FAKE), fault, "60"]
        monkeypatch.setattr(Surroundings, "command", lambda _: command)
        monkeypatch.setattr("cg2ls.evaluation.chaos.conversation.PATIENCE_S", 5.0)

    return stand


def test_a_table_and_json_say_what_happened(fake, tiny_model, capsys):
    fake("none")
    arguments = ["replay", SOURCES, "--model", str(tiny_model), "--chaos", "200", "--seed", "5"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "200 keys, " in out
    assert "texts diverged" in out
    assert "180 keys" in err
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["chaos"]
    assert (found["keys"], found["seed"], found["unanswered"]) == (200, 5, [])
    assert found["documents"] > 3
    assert found["requests"] == found["answered"]


@pytest.mark.parametrize("fault", ["loses", "diverges", "dies"])
def test_anything_lost_is_exit_status_1(fake, tiny_model, capsys, fault):
    fake(fault)
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--chaos", "150"]) == 1
    out, err = capsys.readouterr()
    assert "texts diverged" in out
    assert err.splitlines()[-1].startswith("cg2ls: ")


@pytest.mark.slow
def test_the_real_server_loses_nothing(tiny_model, capsys):
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--chaos", "80", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["chaos"]
    assert found["requests"] == found["answered"] > 80
    assert found["events"]
