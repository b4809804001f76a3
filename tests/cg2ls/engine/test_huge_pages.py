"""A model's memory is in huge pages if Linux has them; otherwise nothing changes."""

from __future__ import annotations

import ctypes
import json
import mmap
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cg2ls.engine import huge_pages
from cg2ls.engine.huge_pages import HUGE_PAGE_BYTES, use_huge_pages

SIZE = 8 * HUGE_PAGE_BYTES
CONTENT = bytes(range(256)) * (SIZE // 256)
ROOT = Path(__file__).parents[3]


def in_huge_pages(address: int) -> int:
    """Bytes in huge pages of the mapping that has an address."""
    found = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        ends = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if ends:
            found = int(ends[1], 16) <= address < int(ends[2], 16)
        elif found and line.startswith("AnonHugePages:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such mapping")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def new_memory() -> mmap.mmap:
    """Memory that was written to, in small pages unless the system uses huge ones by default."""
    mapped = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mapped.write(CONTENT)
    return mapped


@pytest.fixture
def memory():
    with new_memory() as mapped:
        yield mapped


MOVED = """
import ctypes, json
from pathlib import Path
from cg2ls.engine.huge_pages import use_huge_pages
from tests.cg2ls.engine.test_huge_pages import CONTENT, in_huge_pages, new_memory, resident

with new_memory() as memory:
    first = ctypes.c_char.from_buffer(memory)
    before = resident()
    moved = use_huge_pages()
    grown = resident() - before
    print(json.dumps([moved, grown, in_huge_pages(ctypes.addressof(first)), memory[:] == CONTENT]))
    del first
"""
"""Runs in a separate process: memory of earlier tests would be moved too, and would grow."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux moves memory to huge pages when asked")
def test_memory_in_use_moves_keeps_its_contents_and_hardly_grows():
    command = [sys.executable, "-c", MOVED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    moved, grown, huge, is_same = json.loads(done.stdout)
    if not moved:
        pytest.skip("this kernel is older than 6.1 or has no huge pages")
    assert huge >= SIZE - 2 * HUGE_PAGE_BYTES
    assert is_same
    assert grown <= 0.1 * moved + HUGE_PAGE_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux moves memory to huge pages when asked")
def test_moving_pages_stops_at_its_time_limit(memory, monkeypatch):
    monkeypatch.setattr(huge_pages, "MAX_MOVE_S", -1.0)
    assert use_huge_pages() <= HUGE_PAGE_BYTES


@pytest.mark.parametrize("setting", ["always madvise [never]\n", None])
def test_a_system_without_huge_pages_is_left_unchanged(monkeypatch, tmp_path, setting):
    if setting:
        (tmp_path / "enabled").write_text(setting)
    monkeypatch.setattr(huge_pages, "SETTING_FILE", tmp_path / "enabled")
    assert use_huge_pages() == 0


MAPS = """\
7f0000000000-7f0000400000 rw-p 00000000 00:00 0
7f0001100000-7f0001500000 rw-p 00000000 00:00 0                          [stack]
7f0002000000-7f0002800000 rw-p 00000000 103:02 4242                      /model/weights (deleted)
7f0003000000-7f0003800000 r--p 00000000 00:00 0
7f0004000000-7f0004100000 rw-p 00000000 00:00 0
7f0005000000-7f0005800000 rw-s 00000000 00:00 0
55f000000000-55f000200000 rw-p 00000000 00:00 0                          [heap]
"""


def test_only_whole_huge_pages_of_private_memory_that_belongs_to_no_file_are_moved():
    assert list(huge_pages._whole(MAPS)) == [0x7F0000000000, 0x7F0000200000, 0x7F0001200000, 0x55F000000000]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports which pages are in memory")
def test_mostly_unused_memory_is_not_moved():
    with mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as unused:
        address = ctypes.addressof(ctypes.c_char.from_buffer(unused))
        for place in range(0, SIZE, 2 * mmap.PAGESIZE):
            unused[place] = 1
        if in_huge_pages(address):
            pytest.skip("this system uses huge pages by default")
        use_huge_pages()
        assert in_huge_pages(address) == 0
