"""`cg2ls memory` over a small workspace and the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg2ls.cli.main import main

LEDGER = """\
class OrderLedger:
    def settle_outstanding_balance(self, customer):
        return customer.balance


def close_month(ledger, customer):
    return ledger.settle_outstanding_balance(customer)
"""
MAIN = "def close(ledger, customer):\n    return ledger.settle_\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "ledger.py").write_text(LEDGER)
    (root / "main.py").write_text(MAIN)
    (root / "blob.py").write_bytes(b"\0\1\2")
    monkeypatch.chdir(root)
    return root


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert main(["memory", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_status_build_and_clear_agree(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "`cg2ls memory build`" in printed(capsys, "status")["note"]
    built = printed(capsys, "build")
    assert built["refused"] == {"binary": 1}
    status = printed(capsys, "status")
    assert (status["files"], status["tokens"]) == (2, built["tokens"])
    assert status["left_out"] == {"binary": 1}
    assert status["weights"] == "shipped"
    assert printed(capsys, "clear")["removed"] is True
    assert printed(capsys, "clear")["removed"] is False
    assert "note" in printed(capsys, "status")


def test_folder_without_code_is_reported(
    workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["memory", "build", "--root", str(tmp_path / "empty")]) == 0
    out, err = capsys.readouterr()
    assert "has no python file that may be read" in out
    assert err == "", "there is no bar where nobody sees it"


def test_explain_names_the_file_that_votes(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, "explain", "main.py", "--at", "2:26")
    outstanding = next(row for row in rows if row["token"] == "_")
    assert outstanding["files"] == {"ledger.py": 1.0}
    assert main(["memory", "explain", "main.py", "--at", "2:26"]) == 0
    assert "ledger.py 100%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--root", "missing"], "missing is not a folder"),
        (["explain", "main.py", "--at", "here"], "LINE:COL"),
        (["explain", "main.py", "--at", "9:1"], "no line 9"),
        (["explain", "other.py", "--at", "1:1"], "other.py does not exist"),
    ],
)
def test_invalid_arguments_are_reported_in_one_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["memory", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_tune_needs_more_than_two_files(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "tune", "--positions", "2"]) == 1
    assert "learn from" in capsys.readouterr().err


def test_weights_fitted_to_a_workspace_are_used_and_cleared(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cg2ls.retrieval.memory.vote_mixture import shipped

    folder = Path(printed(capsys, "build")["folder"])
    weights = folder.with_suffix(".weights.json")
    weights.write_text(shipped().to_json())
    assert printed(capsys, "status")["weights"] == str(weights)
    weights.write_text("{}")
    assert printed(capsys, "status")["weights"] == "shipped"
    printed(capsys, "clear")
    assert not weights.exists()


def test_bench_prints_every_cost(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "long.py").write_text("".join(f"value_{n} = compute(first, {n})\n" for n in range(200)))
    found = printed(capsys, "bench", "--tokens", "20000", "--keys", "4")
    assert found["tokens"] >= 20000
    assert found["bytes_per_token"] < 20
    for name in ("edit_ms", "token_ms"):
        assert 0 < found[name]["p50"] <= found[name]["p95"] <= found[name]["p99"]
    for name in ("alone", "while_building"):
        assert found["key_ms"][name]["p50"] > 0


def test_status_counts_installed_packages_separately(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = workspace / ".venv/lib/python3.12/site-packages"
    place.mkdir(parents=True)
    (workspace / ".venv/pyvenv.cfg").write_text("home = /usr/bin\n")
    (place / "helpful.py").write_text("def assist_gladly(): ...\n")
    assert "`cg2ls memory build`" in printed(capsys, "status")["dependencies"]["note"]
    built = printed(capsys, "build", "--dependencies")
    assert built["tokens"] > built["tokens_of_dependencies"] > 0
    found = printed(capsys, "status")
    assert (found["files"], found["dependencies"]["files"]) == (2, 1)
    assert found["dependencies"]["tokens"] == built["tokens_of_dependencies"]
    assert printed(capsys, "clear", "--dependencies")["dependencies_removed"]
    assert "note" in printed(capsys, "status")["dependencies"]
