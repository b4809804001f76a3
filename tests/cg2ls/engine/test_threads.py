"""Threads: physical cores, within what this process may use."""

from __future__ import annotations

import pytest

from cg2ls.engine import threads


@pytest.fixture
def topology(tmp_path):
    """Four logical CPUs on two cores."""
    for number, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    return tmp_path


@pytest.mark.parametrize(("cpus", "cores"), [({0, 1, 2, 3}, 2), ({0, 2}, 1), ({0, 1}, 2), ({0, 7, 8}, 3)])
def test_sibling_threads_share_a_core(topology, cpus, cores):
    assert threads.physical_cores(cpus, topology) == cores


@pytest.mark.parametrize(
    ("content", "cpus"),
    [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1), ("damaged", None), ("1 0", None)],
)
def test_a_cgroup_quota_is_rounded_up(tmp_path, content, cpus):
    (tmp_path / "cpu.max").write_text(content)
    assert threads.cgroup_cpus(tmp_path / "cpu.max") == cpus


def test_no_cgroup_is_no_limit(tmp_path):
    assert threads.cgroup_cpus(tmp_path / "cpu.max") is None


@pytest.mark.parametrize(("cores", "quota", "expected"), [(4, None, 4), (64, None, 8), (64, 3, 3), (1, 4, 1)])
def test_the_default_is_the_least_of_cores_quota_and_bound(monkeypatch, cores, quota, expected):
    monkeypatch.setattr(threads, "physical_cores", lambda cpus, topology: cores)
    monkeypatch.setattr(threads, "cgroup_cpus", lambda file: quota)
    assert threads.default_threads() == expected


def test_this_machine_has_at_least_one():
    assert threads.usable_cpus()
    assert threads.default_threads() >= 1


def speeds(folder, file: str, *numbers: object) -> set[int]:
    for cpu, number in enumerate(numbers):
        path = folder / f"cpu{cpu}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    return set(range(len(numbers)))


@pytest.mark.parametrize(
    ("file", "numbers", "fast"),
    [
        ("cpufreq/cpuinfo_max_freq", (5_400_000, 5_200_000, 4_000_000, 4_000_000), {0, 1}),
        ("cpufreq/cpuinfo_max_freq", (3_000_000, 3_000_000), {0, 1}),
        ("cpu_capacity", (1024, 768, 446, 446), {0}),
        ("cpu_capacity", (1024, "damaged"), {0, 1}),
    ],
)
def test_efficiency_cores_do_not_count(tmp_path, file, numbers, fast):
    assert threads.fast_cpus(speeds(tmp_path, file, *numbers), tmp_path) == fast


def test_where_the_kernel_says_nothing_every_cpu_is_fast(tmp_path):
    assert threads.fast_cpus({0, 3}, tmp_path) == {0, 3}


def test_only_the_cpus_this_process_may_use_are_compared(tmp_path):
    speeds(tmp_path, "cpu_capacity", 1024, 446, 446)
    assert threads.fast_cpus({1, 2}, tmp_path) == {1, 2}
