"""Free memory of the machine, its cards and its container."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from cg2_quantize.planning import machine
from cg2_quantize.planning.machine import (
    inspect_machine,
    parse_cards,
    read_group_free_bytes,
    select_freest_card,
)

TWO = "0, GPU-aa, NVIDIA L4, 1000\n1, GPU-bb, NVIDIA A10, 20000\n"


@pytest.mark.parametrize(
    ("table", "visible", "expected"),
    [
        ("", None, ("", 0)),
        ("0, GPU-aa, NVIDIA L4, 1000\n", None, ("NVIDIA L4", 1000 << 20)),
        ("0, GPU-aa, NVIDIA L4, [N/A]\n", None, ("NVIDIA L4", 0)),
        (TWO, "0", ("NVIDIA L4", 1000 << 20)),
        (TWO, "GPU-bb", ("NVIDIA A10", 20000 << 20)),
        (TWO, "", ("", 0)),
        (TWO, "-1", ("", 0)),
        ("No devices were found\n", None, ("", 0)),
    ],
)
def test_the_card_that_counts(table, visible, expected):
    assert select_freest_card(parse_cards(table, visible)) == expected


def test_freest_of_several_cards_counts_with_its_number():
    name, free = select_freest_card(parse_cards(TWO))
    assert free == 20000 << 20
    assert name == "NVIDIA A10, the freest of 2: run the server with CUDA_VISIBLE_DEVICES=1"


@pytest.mark.parametrize("failure", [OSError("no driver"), subprocess.TimeoutExpired("nvidia-smi", 10)])
def test_a_driver_that_does_not_answer_is_no_card(monkeypatch, failure):
    def fails(*_, **__):
        raise failure

    monkeypatch.setattr(machine.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(machine.subprocess, "run", fails)
    assert inspect_machine().gpu == 0


@pytest.mark.parametrize(
    ("group", "memory", "limit"), [(None, 1000, ""), (300, 300, "this container's limit"), (5000, 1000, "")]
)
def test_the_smaller_of_system_and_container_counts(monkeypatch, group, memory, limit):
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(machine, "read_group_free_bytes", lambda: group)
    found = inspect_machine()
    assert (found.memory, found.limit) == (memory, limit)


@pytest.mark.parametrize(("group", "memory"), [(None, 0), (300, 300)])
def test_without_the_systems_figures_memory_is_unknown_or_the_containers(
    monkeypatch, tmp_path, group, memory
):
    def fails():
        raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")

    monkeypatch.setattr(machine.psutil, "virtual_memory", fails)
    monkeypatch.setattr(machine, "read_group_free_bytes", lambda: group)
    assert inspect_machine().memory == memory


@pytest.mark.skipif(not machine.psutil.LINUX, reason="only Linux has /proc")
def test_a_system_without_proc_has_unknown_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.psutil, "PROCFS_PATH", str(tmp_path))
    monkeypatch.setattr(machine, "read_group_free_bytes", lambda: None)
    assert inspect_machine().memory == 0


GIB = 1 << 30


@pytest.fixture
def free(tmp_path):
    """Writes a tree of groups and reads its free memory."""

    def ask(membership, **files):
        (tmp_path / "membership").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "root" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(content))
        return read_group_free_bytes(tmp_path / "root", tmp_path / "membership")

    return ask


def test_version_2_counts_the_limit_minus_the_use(free):
    files = {"memory_dot_max": 4 * GIB, "memory_dot_current": GIB}
    assert free("0::/", **files) == 3 * GIB


def test_cached_files_are_free(free):
    files = {
        "memory_dot_max": 4 * GIB,
        "memory_dot_current": 3 * GIB,
        "memory_dot_stat": f"anon 5\ninactive_file {GIB}\n",
    }
    assert free("0::/", **files) == 2 * GIB


def test_a_limit_of_a_parent_group_counts(free):
    files = {
        "a__memory_dot_max": 2 * GIB,
        "a__memory_dot_current": GIB,
        "a__b__memory_dot_max": "max",
        "a__b__memory_dot_current": GIB,
    }
    assert free("0::/a/b", **files) == GIB


def test_cgroups_of_version_1_are_read(free):
    files = {
        "memory__docker__memory_dot_limit_in_bytes": 2 * GIB,
        "memory__docker__memory_dot_usage_in_bytes": GIB // 2,
        "memory__memory_dot_limit_in_bytes": 9223372036854771712,
        "memory__memory_dot_usage_in_bytes": 5 * GIB,
    }
    assert free("12:cpu,cpuacct:/docker\n5:memory:/docker\n", **files) == 3 * GIB // 2


def test_a_path_of_the_host_is_not_seen_inside_a_container(free):
    files = {"memory_dot_max": GIB, "memory_dot_current": 0}
    assert free("0::/system.slice/docker-ab.scope", **files) == GIB
    assert free("0::/../../elsewhere", **files) == GIB


@pytest.mark.parametrize("membership", ["", "nonsense", "0::/", "5:memory:/"])
def test_without_a_limit_there_is_none(free, membership):
    assert free(membership, memory_dot_max="max", memory_dot_current=3) is None


def test_a_limit_that_is_used_up_leaves_nothing(free):
    assert free("0::/", memory_dot_max=GIB, memory_dot_current=2 * GIB) == 0


def test_a_system_without_groups_has_no_limit(tmp_path):
    assert read_group_free_bytes(tmp_path / "no", tmp_path / "none") is None
