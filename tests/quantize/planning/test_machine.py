"""What is free on this machine, and which card counts."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from cg2_quantize.planning import machine
from cg2_quantize.planning.machine import cards_of, freest, this_machine

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
    assert freest(cards_of(table, visible)) == expected


def test_of_several_cards_the_freest_counts_and_says_how_to_use_it():
    name, free = freest(cards_of(TWO))
    assert free == 20000 << 20
    assert name == "NVIDIA A10, the freest of 2: run the server with CUDA_VISIBLE_DEVICES=1"


@pytest.mark.parametrize("failure", [OSError("no driver"), subprocess.TimeoutExpired("nvidia-smi", 10)])
def test_a_driver_that_does_not_answer_is_no_card(monkeypatch, failure):
    def fails(*_, **__):
        raise failure

    monkeypatch.setattr(machine.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(machine.subprocess, "run", fails)
    assert this_machine().gpu == 0


@pytest.mark.parametrize(
    ("group", "memory", "limit"), [(None, 1000, ""), (300, 300, "this container's limit"), (5000, 1000, "")]
)
def test_the_smaller_of_system_and_container_counts(monkeypatch, group, memory, limit):
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(machine, "free_in_group", lambda: group)
    found = this_machine()
    assert (found.memory, found.limit) == (memory, limit)
