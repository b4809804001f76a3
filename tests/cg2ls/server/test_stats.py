"""The counts: in a running server, in their file, and reported."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import stat
from datetime import date, timedelta

import pytest

from cg2ls.cli.main import main
from cg2ls.server.stats import (
    BOUNDS_MS,
    KEPT_DAYS,
    Counts,
    StatsError,
    StatsFile,
    report,
    stats_file,
    this_day,
)

URI = "file:///a.py"
DAY = date(2026, 5, 4)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def insert(client, version: int, column: int, text: str) -> None:
    at = {"line": 1, "character": column}
    client.change(URI, version, {"range": {"start": at, "end": at}, "text": text})


def counted(client) -> dict:
    return client.request("workspace/executeCommand", {"command": "cg2ls.server.stats"})["total"]


def test_server_counts_requested_shown_and_accepted_completions(home, slow):
    client = slow()
    client.change(URI, 2, {"text": "quick long\nb = "})
    (item,) = client.inline(URI, 1, 4)["items"]
    assert item["insertText"] == "width * height"
    insert(client, 3, 4, "width")
    assert client.inline(URI, 1, 9)["items"]
    insert(client, 4, 9, " * height")
    total = counted(client)
    assert (total["requests"], total["shown"], total["accepted"], total["partly_accepted"]) == (2, 1, 1, 1)
    assert total["saved_characters"] == len("width * height")
    assert total["latency_ms"]["p50"] is not None


def test_counts_are_stored_without_text(home, slow):
    client = slow()
    client.change(URI, 2, {"text": "quick long\nb = "})
    client.inline(URI, 1, 4)
    assert client.leave() == 0
    text = (home / "stats.json").read_text()
    assert "width" not in text
    assert "a.py" not in text
    assert stat.S_IMODE((home / "stats.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert report(StatsFile(stats_file()).read())["languages"]["python"]["shown"] == 1


def test_nothing_is_counted_if_the_option_is_off(home, slow):
    client = slow(initializationOptions={"stats": False})
    client.change(URI, 2, {"text": "quick\nb = "})
    client.inline(URI, 1, 4)
    assert client.leave() == 0
    assert not (home / "stats.json").exists()


def test_a_folder_that_cannot_be_written_loses_only_the_counts(tmp_path, monkeypatch, slow):
    (tmp_path / "home" / "stats.json.lock").mkdir(parents=True)
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    client = slow()
    client.change(URI, 2, {"text": "quick\nb = "})
    assert client.inline(URI, 1, 4)["items"]
    assert client.leave() == 0


def counts(**plain: int) -> Counts:
    return Counts(**plain)


def _add_often(path, times: int) -> None:
    for _ in range(times):
        StatsFile(path).add({(DAY.isoformat(), "python", "m"): counts(shown=1)})


def test_servers_that_count_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_often, args=(tmp_path / "s.json", 20)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert report(StatsFile(tmp_path / "s.json").read())["total"]["shown"] == 40


def test_counts_of_the_last_days_are_kept(tmp_path):
    file = StatsFile(tmp_path / "s.json")
    days = [(DAY - timedelta(days=number)).isoformat() for number in range(KEPT_DAYS + 5)]
    for some in (days[100:], days[:100]):
        file.add({(day, "python", "m"): counts(shown=1) for day in some})
    assert {key[0] for key in file.read()} == set(days[:KEPT_DAYS])


def test_missing_state_folder_is_made_again(tmp_path):
    file = StatsFile(tmp_path / "state" / "s.json")
    for _ in range(2):
        file.add({("2026-05-04", "python", "m"): counts(shown=1)})
        shutil.rmtree(tmp_path / "state")
    file.add({("2026-05-04", "python", "m"): counts(shown=1)})
    assert report(file.read())["total"]["shown"] == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_reported_in_one_sentence_and_leaves_the_counts(
    tmp_path, monkeypatch, code
):
    file = StatsFile(tmp_path / "s.json")
    file.add({("2026-05-04", "python", "m"): counts(shown=1)})

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("cg2ls.files.tempfile.mkstemp", refuse)
    with pytest.raises(StatsError, match=os.strerror(code)):
        file.add({("2026-05-04", "python", "m"): counts(shown=1)})
    assert report(file.read())["total"]["shown"] == 1


def test_a_clock_that_jumps_loses_no_counts(tmp_path):
    file = StatsFile(tmp_path / "s.json")
    file.add({("2026-05-04", "python", "m"): counts(shown=1)})
    for day in ("2099-01-01", "1970-01-01", "2099-01-01"):
        file.add({(day, "python", "m"): counts(shown=1)})
    found = file.read()
    assert {key[0]: each.shown for key, each in found.items()} == {
        "1970-01-01": 1,
        "2026-05-04": 1,
        "2099-01-01": 2,
    }
    assert report(found, days=7, today=DAY)["total"]["shown"] == 1
    assert report(found, days=100_000, today=date(1970, 1, 1))["total"]["shown"] == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "counts": [{"day": 1}]}'])
def test_a_damaged_file_is_named_and_put_aside_by_the_next_server(tmp_path, text):
    file = StatsFile(tmp_path / "s.json")
    file.path.write_text(text)
    with pytest.raises(StatsError, match="is damaged"):
        file.read()
    file.add({("2026-05-04", "python", "m"): counts(shown=1)})
    assert report(file.read())["total"]["shown"] == 1
    assert (tmp_path / "s.json.damaged").read_text() == text


def test_the_report_sums_by_day_language_and_model():
    found = {
        ("2026-05-03", "python", "a"): counts(shown=4, accepted=1),
        ("2026-05-04", "python", "b"): counts(shown=2, accepted=2),
        ("2026-05-04", "lua", "b"): counts(shown=1),
    }
    said = report(found, today=DAY)
    assert said["total"]["acceptance"] == round(3 / 7, 3)
    assert {name: each["shown"] for name, each in said["languages"].items()} == {"python": 6, "lua": 1}
    assert {name: each["shown"] for name, each in said["models"].items()} == {"a": 4, "b": 3}
    assert report(found, days=1, today=DAY)["total"]["shown"] == 3


def test_percentiles_are_upper_ends_of_classes():
    some = Counts()
    assert some.percentile_ms(0.5) is None
    for latency in [3] * 95 + [180] * 4 + [10_000]:
        some.answered(latency)
    assert [some.percentile_ms(share) for share in (0.5, 0.95, 0.99, 1)] == [5, 5, 200, BOUNDS_MS[-1]]


def test_the_command_prints_a_table_json_and_clears(home, capsys):
    assert main(["stats"]) == 0
    assert "Nothing was counted yet" in capsys.readouterr().out
    some = counts(shown=10, accepted=3, saved_characters=40)
    some.answered(18)
    StatsFile(stats_file()).add({(this_day().isoformat(), "python", "m"): some})
    assert main(["stats", "--days", "2"]) == 0
    table = capsys.readouterr().out
    assert "30%" in table
    assert "≤ 20" in table
    assert main(["stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["saved_characters"] == 40
    assert main(["stats", "clear"]) == 0
    assert not stats_file().exists()
    assert main(["stats", "clear"]) == 0
