"""`cg2ls replay`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import cg2ls
from cg2ls.cli.main import main
from cg2ls.evaluation.chaos.sandbox import Sandbox
from cg2ls.evaluation.latency.visits import VisitLatency
from cg2ls.evaluation.runtimes import other_runtimes, trace_race, visits_race

SOURCES = str(Path(cg2ls.__file__).parent / "engine")
SMALL = ("--keys", "12", "--positions", "8", "--passages", "1", "--line-tokens", "2", "--block-tokens", "2")


def test_json_has_speed_and_quality(tiny_model, tmp_path, capsys):
    picture = tmp_path / "replay.svg"
    arguments = ["replay", SOURCES, "--model", str(tiny_model), "--threads", "1", "--json"]
    assert main([*arguments, "--picture", str(picture), *SMALL]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["keys"] == 12
    assert (
        found["latency_ms"]["first_token"].keys()
        == found["latency_ms"]["line"].keys()
        == {"p50", "p95", "p99"}
    )
    assert found["reread_tokens"].keys() == {"p50", "p95"}
    assert found["positions"] == 8
    assert {"exact_line", "edit_similarity", "saved_characters", "shown_wrong", "spread"} <= found.keys()
    assert found["repositories"].keys() == {"engine"}
    assert found["model"]["name"] == "tiny"
    drawn = ElementTree.parse(picture).getroot()
    assert drawn.tag.endswith("svg")
    assert "saved characters" in "".join(drawn.itertext())


def test_a_table_is_printed_without_json(tiny_model, capsys):
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--threads", "1", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "key to first token, ms" in out
    assert "exact line" in out
    assert "writing 1 passages" in err


def test_the_model_can_be_prompted_in_other_ways(tiny_model, capsys):
    ways = ["--anchor", "0", "--prefix-only", "--context", "64", "--max-lines", "1", "--passages", "0"]
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--json", *SMALL, *ways]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["context_length"] == 64
    assert "saved_characters" not in found
    assert "verdicts" not in found


def test_languages_of_no_training_are_completed_when_named(tmp_path, capsys):
    (tmp_path / "main.go").write_text(
        "package main\n\n" + "func add(a, b int) int {\n\treturn a + b\n}\n" * 9
    )
    few = ["--threads", "1", "--json", "--keys", "0", "--positions", "4", "--passages", "1"]
    assert main(["replay", str(tmp_path), *few]) == 1
    assert "There is no file in python" in capsys.readouterr().err
    assert main(["replay", str(tmp_path), *few, "--languages", "go"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["saved_characters"] > 0


def test_unknown_names_of_languages_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["replay", SOURCES, "--languages", "go,golang"])
    assert "golang is not a known language; name some of" in capsys.readouterr().err


def test_languages_do_not_go_with_visits(tiny_model, capsys):
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--languages", "go", "--visits", "3"]) == 1
    assert "leave one out" in capsys.readouterr().err


def test_two_runs_are_compared_place_by_place(tiny_model, tmp_path, capsys):
    few = [
        "--keys",
        "0",
        "--passages",
        "0",
        "--positions",
        "12",
        "--model",
        str(tiny_model),
        "--json",
        "--verdicts",
    ]
    reports = []
    for name, tokens in (("short", "1"), ("long", "9")):
        assert main(["replay", SOURCES, *few, "--line-tokens", tokens, "--block-tokens", tokens]) == 0
        reports.append(tmp_path / f"{name}.json")
        reports[-1].write_text(capsys.readouterr().out)
    tool = Path(cg2ls.__file__).parents[1] / "tools" / "compare_replays.py"
    done = subprocess.run([sys.executable, tool, *reports], capture_output=True, text=True, check=True)
    assert "12 places" in done.stdout
    assert "edit_similarity" in done.stdout
    other = json.loads(reports[0].read_text())
    other["verdicts"].pop()
    reports[0].write_text(json.dumps(other))
    done = subprocess.run([sys.executable, tool, *reports], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not have the same places" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"), [(["/nowhere"], "/nowhere does not exist"), ([SOURCES, "--model", "/no"], "/no")]
)
def test_problem_is_reported_in_one_line(arguments, says, capsys):
    assert main(["replay", *arguments]) == 1
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_counts_are_numbers(capsys):
    with pytest.raises(SystemExit):
        main(["replay", SOURCES, "--keys", "-3"])
    assert "-3" in capsys.readouterr().err


def test_rules_are_listed(tiny_model, capsys):
    few = ["--keys", "0", "--passages", "0", "--positions", "20"]
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--rules", "--json", *few]) == 0
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert all(rule["exact_line"].keys() == {"on", "off", "difference"} for rule in rules.values())
    assert main(["replay", SOURCES, "--model", str(tiny_model), "--rules", *few]) == 0
    assert next(iter(rules)) in capsys.readouterr().out


def test_soak_reports_figures_and_fails_on_growth(tiny_model, capsys, monkeypatch):
    arguments = ["replay", SOURCES, "--model", str(tiny_model), "--soak", "240", *SMALL]
    monkeypatch.setattr("cg2ls.evaluation.latency.typing.MAX_LATENCY_RATIO", 1000)
    assert main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["soak"]["resident_mb"]) == 4
    monkeypatch.setattr("cg2ls.evaluation.latency.typing.MAX_MEMORY_RATIO", 0)
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "4th / 2nd" in out
    assert "Memory grew" in err


def test_a_race_against_another_runtime(tiny_model, tmp_path, capsys, monkeypatch):
    """The other runtime is cg2ls in another process, so that no exporter is needed."""
    twin = [sys.executable, "-m", "cg2ls.evaluation.runtimes.cg2ls_worker", str(tiny_model), "--threads", "1"]
    monkeypatch.setattr(trace_race, "REST_S", 0)
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("json",))
    monkeypatch.setattr(other_runtimes, "prepare_model", lambda name, python, folder, room: tmp_path)
    monkeypatch.setattr(
        other_runtimes, "start_worker", lambda name, *_: other_runtimes.WorkerClient(name, twin)
    )
    monkeypatch.setattr(
        other_runtimes, "make_reference_model", lambda folder: shutil.copytree(tiny_model, folder)
    )
    arguments = ["replay", SOURCES, "--model", str(tiny_model), "--against", "optimum", "--keys", "20"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["race"]
    assert found["ratios"].keys() == {"alone_vs_optimum", "typed_through_vs_optimum"}
    picture = tmp_path / "race.svg"
    assert main([*arguments, "--reference-shape", "--picture", str(picture)]) == 0
    assert "times as fast" in capsys.readouterr().out
    assert "typed_through" in "".join(ElementTree.parse(picture).getroot().itertext())


def test_visits_beside_another_runtimes_server(tiny_model, tmp_path, capsys, monkeypatch):
    """The other server is cg2ls in another process; its own server is not started."""
    twin = [sys.executable, "-m", "cg2ls.evaluation.runtimes.cg2ls_worker", str(tiny_model), "--threads", "1"]
    made = []

    def visit(folder, plan, **how):
        made.append(len(plan))
        found = VisitLatency(processor_ms=600.0, seconds=60.0, later_ms=[1.0])
        found.first_ms["open"].append(2.0)
        return found

    monkeypatch.setattr("cg2ls.evaluation.replay.measure_visits", visit)
    monkeypatch.setattr(visits_race, "LOOK_S", (0.0, 0.0))
    monkeypatch.setattr(visits_race, "KEY_GAP_S", (0.0, 0.0))
    monkeypatch.setitem(other_runtimes.NEEDS, "llamacpp", ("json",))
    monkeypatch.setattr(other_runtimes, "prepare_model", lambda name, python, folder, room: tmp_path)
    monkeypatch.setattr(visits_race, "start_worker", lambda name, *_: other_runtimes.WorkerClient(name, twin))
    arguments = ["replay", SOURCES, "--model", str(tiny_model), "--visits", "3", "--against", "llamacpp"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["visits"]) == ["off", "plain client", "on", "llamacpp", "llamacpp, on arrival"]
    assert found["visits"]["llamacpp"]["visits"] == made[0]
    assert found["ratios"].keys() == {
        f"{own} vs {other}"
        for own in ("off", "plain client", "on")
        for other in ("llamacpp", "llamacpp, on arrival")
    }
    assert main(arguments) == 0
    assert "times as fast at new places" in capsys.readouterr().out


FAKE = Path(__file__).parents[1] / "evaluation" / "chaos" / "fake_server.py"


@pytest.fixture
def fake(monkeypatch):
    """Replaces the real server by a fake one with this fault."""

    def stand(fault: str) -> None:
        command = [sys.executable, str(FAKE), fault, "60"]
        monkeypatch.setattr(Sandbox, "command", lambda _: command)
        monkeypatch.setattr("cg2ls.evaluation.chaos.conversation.PATIENCE_S", 5.0)

    return stand


def test_table_and_json_report_the_result(fake, tiny_model, capsys):
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
def test_any_loss_gives_exit_status_1(fake, tiny_model, capsys, fault):
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
