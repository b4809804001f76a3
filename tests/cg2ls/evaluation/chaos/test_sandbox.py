"""Faults really happen, and end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cg2ls.evaluation.chaos import sandbox

WRITER = """
import pathlib, sys
for line in sys.stdin:
    try:
        pathlib.Path(line.strip()).write_text("some text")
        print("written", flush=True)
    except OSError as error:
        print("no", flush=True)
"""


def test_the_cache_is_removed_with_its_content(place):
    (place.cache / "cg2ls").mkdir()
    sandbox.remove_cache(place)
    assert not place.cache.exists()


def test_the_state_folder_is_a_file_for_a_while(place):
    undo = sandbox.block_state(place)
    assert place.state.is_file()
    undo()
    assert place.state.is_dir()


def test_a_replaced_model_is_another_file_with_the_same_bytes(place):
    file = place.model / "model.onnx"
    before = file.stat().st_ino
    with file.open("rb"):  # otherwise its inode number could be reused
        sandbox.replace_model(place)
    assert file.stat().st_ino != before
    assert file.read_bytes() == b"weights"
    assert [each.name for each in place.model.iterdir()] == ["model.onnx"]


def test_a_touched_model_has_new_times(place):
    file = place.model / "model.onnx"
    before = file.stat().st_mtime_ns
    sandbox.touch_model(place)
    assert file.stat().st_mtime_ns > before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone changes the limits of another process")
def test_on_a_full_disk_no_file_grows_and_pipes_work(tmp_path):
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", WRITER], stdin=pipe, stdout=pipe, text=True) as writer:
        assert writer.stdin
        assert writer.stdout

        def write() -> str:
            print(tmp_path / "file", file=writer.stdin, flush=True)
            return writer.stdout.readline().strip()

        assert write() == "written"
        undo = sandbox.fill_disk(writer.pid)
        assert write() == "no"
        undo()
        assert write() == "written"
        writer.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_the_index_process_is_found_and_killed():
    script = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()', '%s'],"
    script += " stdin=subprocess.PIPE); print('started', flush=True); print(child.wait(), flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    script %= sandbox.INDEX_WORKER.decode()
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "started\n"
        try:
            while not sandbox.kill_child(server.pid):  # it may not appear in /proc at once
                time.sleep(0.01)
            assert server.stdout.readline() == "-9\n"
        finally:
            server.kill()


def test_the_state_folder_is_blocked_even_if_the_server_creates_it_again(place, monkeypatch):
    remove, times = sandbox.shutil.rmtree, []

    def race(folder, **options):
        remove(folder, **options)
        times.append(folder)
        if len(times) < 3:
            folder.mkdir()

    monkeypatch.setattr(sandbox.shutil, "rmtree", race)
    undo = sandbox.block_state(place)
    assert place.state.is_file()
    assert len(times) == 3
    undo()
    assert place.state.is_dir()


def test_every_folder_of_the_server_is_in_the_folder_of_the_run(place, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", "/home/somebody")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/somebody")
    environment = place.environment()
    own = {"HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"}
    assert all(Path(environment[name]).is_relative_to(place.home) for name in own)
    assert not {"CG2LS_HOME", "XDG_RUNTIME_DIR"} & environment.keys()


def test_files_are_copies(place, shop):
    assert place.path_of(shop).read_text() == shop.text
    assert place.path_at(place.path_of(shop).as_uri()) == place.path_of(shop)
    assert [root.name for root in place.roots] == [shop.repository]
