"""What a step frees on a processor is not mapped anew in the next one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cg2_training.model import allocator

PROGRAM = """
import resource, sys
import torch
from cg2_training.model.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def faults(steps):
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        large, larger = torch.zeros(12 << 20), torch.zeros(24 << 20)
        del large, larger
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun

faults(10)
print(faults(4))
"""


def faults(how: str) -> int:
    """Pages that four rounds of 144 MB had to be given, after ten in which the heap finds its size."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_memory_that_was_freed_is_there_for_the_next_step() -> None:
    if not hasattr(allocator.ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("this system's C library is not glibc")
    assert faults("keep") < 1000 < faults("as it is")


def test_elsewhere_nothing_changes(monkeypatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()
