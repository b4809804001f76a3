"""`cg2ls bench`."""

from __future__ import annotations

import json
import sys

import pytest

from cg2ls.cli.main import main
from cg2ls.evaluation.latency import engine_speed, server_process
from cg2ls.evaluation.runtimes import other_runtimes

SMALL = ("--contexts", "8,32", "--decode-tokens", "4", "--rounds", "1", "--threads", "1")


@pytest.fixture(autouse=True)
def _without_rests(monkeypatch):
    monkeypatch.setattr(engine_speed, "REST_S", 0)


@pytest.fixture
def _without_a_server(monkeypatch):
    monkeypatch.setattr(
        server_process, "measure_start", lambda folder: server_process.ServerStart(800.0, 170.0, 850.0, None)
    )


def test_json_has_our_speed_start_and_memory(tiny_model, capsys):
    assert main(["bench", "--model", str(tiny_model), "--json", *SMALL]) == 0
    found = json.loads(capsys.readouterr().out)
    ours = found["engines"]["ours"]
    assert ours["prefill_ms"].keys() == ours["decode_tokens_per_s"].keys() == {"8", "32"}
    assert all(value > 0 for value in (*ours["prefill_ms"].values(), *ours["decode_tokens_per_s"].values()))
    assert ours["key_to_answer_ms"].keys() == {"8", "32"}
    assert ours["start_ms"] > 0
    assert "memory_mb" in ours
    assert found["ratios"] == {}
    assert found["workload"]["threads"] == 1


@pytest.mark.usefixtures("_without_a_server")
def test_a_table_is_printed_without_json(tiny_model, capsys):
    assert main(["bench", "--model", str(tiny_model), *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "decode, tokens/s" in out
    assert "key to answer, ms" in out
    assert out.endswith("server: ready 800 ms after its start, first answer after 850 ms, 170 MB resident\n")
    assert "measuring ours in turns" in err


@pytest.mark.usefixtures("_without_a_server")
def test_another_runtime_takes_turns_with_cg2ls(tiny_model, tmp_path, capsys, monkeypatch):
    """The other runtime is cg2ls itself, so that no exporter is needed: the same weights choose the same tokens."""
    twin = [sys.executable, "-m", "cg2ls.evaluation.runtimes.cg2ls_worker", str(tiny_model), "--threads", "1"]
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("json",))
    monkeypatch.setattr(other_runtimes, "prepare_model", lambda name, python, folder, room: tmp_path)
    monkeypatch.setattr(
        other_runtimes, "start_worker", lambda name, *_: other_runtimes.WorkerClient(name, twin)
    )
    assert main(["bench", "--model", str(tiny_model), "--json", "--against", "optimum", *SMALL]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["engines"]["optimum"]["same_first_token"] == 1
    assert found["ratios"].keys() >= {"decode_vs_optimum", "prefill_time_vs_optimum", "decode_vs_optimum_8"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--against", "llama"], "no engine 'llama'"),
        (["--rounds", "0"], "rounds is 0"),
        (["--against", "optimum", "--reference-python", "/nowhere/python"], "is not a Python that runs"),
        (["--model", "/nowhere"], "/nowhere"),
    ],
)
def test_problem_is_reported_in_one_line(arguments, says, capsys):
    assert main(["bench", *arguments]) == 1
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_contexts_must_be_numbers(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--contexts", "64,many"])
    assert "64,many" in capsys.readouterr().err
