"""Temporary folders are removed, even those of a killed process, in any place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from cg2_quantize.checkpoint.scratch import mark_unfinished, remove_abandoned_folders, scratch_folder

KILLED = (
    "import os, signal, sys; from pathlib import Path; from cg2_quantize.checkpoint.scratch import scratch_folder\n"
    "with scratch_folder(Path(sys.argv[1])) as made:\n"
    "    (made / 'large').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))


def kill_in(place):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", KILLED, str(place)], env=environment, check=False)
    assert ran.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_leftovers_of_a_killed_process_are_removed_in_any_folder(tmp_path):
    places = [tmp_path / "one", tmp_path / "other"]
    for place in places:
        place.mkdir()
        kill_in(place)
        assert len(list(place.iterdir())) == 1
    remove_abandoned_folders()
    assert [list(place.iterdir()) for place in places] == [[], []]
    assert list((tmp_path / "home" / "cache" / "unfinished").iterdir()) == []


def test_a_folder_of_a_running_process_is_kept(tmp_path):
    with scratch_folder(tmp_path) as made:
        probe = (
            "from cg2_quantize.checkpoint.scratch import remove_abandoned_folders; remove_abandoned_folders()"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", probe], env=environment, check=True)
        assert made.is_dir()
    assert not made.exists()


def test_nothing_else_is_ever_removed(tmp_path):
    kept = tmp_path / "mine"
    kept.mkdir()
    notes = tmp_path / "home" / "cache" / "unfinished"
    notes.mkdir(parents=True)
    (notes / "a.note").write_text(str(kept))
    (notes / "b.note").write_text("")
    (notes / "c.note").write_text("relative/.x.tmp")
    remove_abandoned_folders()
    assert kept.is_dir()
    assert list(notes.iterdir()) == []


def test_without_a_place_for_notes_the_work_is_done_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "file"))
    remove_abandoned_folders()
    with scratch_folder(tmp_path) as made, mark_unfinished(made):
        assert made.is_dir()
    assert not made.exists()
