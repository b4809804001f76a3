"""What a plan must know of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from cg2_quantize.planning.cgroups import free_in_group

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Machine:
    """Free memory, bytes.

    Attributes:
        memory: of the processor; what the system would give a new program, the container's limit included.
        gpu: of the NVIDIA card with the most; 0 without one.
        gpu_name: as the driver calls it, "" without one.
        limit: what sets `memory` where it is not the machine itself, in words.
        cuda: whether the ONNX Runtime that is installed has CUDA.
    """

    memory: int
    gpu: int = 0
    gpu_name: str = ""
    limit: str = ""
    cuda: bool = True


def this_machine() -> Machine:
    """Asks the system, and the driver where there is one."""
    name, free = freest(_cards())
    memory, limit = psutil.virtual_memory().available, ""
    group = free_in_group()
    if group is not None and group < memory:
        memory, limit = max(1, group), "this container's limit"  # 0 would mean: not known
    return Machine(memory, free, name, limit, _has_cuda())


@dataclass(frozen=True)
class Card:
    """An NVIDIA card, as the driver tells of it; `free` in bytes."""

    index: str
    uuid: str
    name: str
    free: int


def freest(cards: Sequence[Card]) -> tuple[str, int]:
    """The name and free memory of the card with the most, which says how the server is made to take it."""
    if not cards:
        return "", 0
    best = max(cards, key=lambda card: card.free)
    if len(cards) == 1:
        return best.name, best.free
    return (
        f"{best.name}, the freest of {len(cards)}: run the server with CUDA_VISIBLE_DEVICES={best.index}",
        best.free,
    )


def cards_of(table: str, visible: str | None = None) -> list[Card]:
    """Cards from lines "index, uuid, name, free MiB"; one whose memory the driver does not tell has none.

    Args:
        table: what nvidia-smi prints.
        visible: the value of CUDA_VISIBLE_DEVICES, which names those that programs are to see; None if not set.
    """
    cards = []
    for line in table.splitlines():
        index, _, rest = line.partition(",")
        uuid, _, rest = rest.partition(",")
        name, comma, free = rest.rpartition(",")
        if comma:
            size = int(free) << 20 if free.strip().isdigit() else 0
            cards.append(Card(index.strip(), uuid.strip(), name.strip(), size))
    if visible is None:
        return cards
    wanted = [entry.strip() for entry in visible.split(",") if entry.strip()]
    return [card for card in cards if any(w == card.index or card.uuid.startswith(w) for w in wanted)]


def _has_cuda() -> bool:
    from cg2ls.engine.onnx_session import import_onnxruntime

    return "CUDAExecutionProvider" in import_onnxruntime().get_available_providers()


def _cards() -> list[Card]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=index,uuid,name,memory.free", "--format=csv,noheader,nounits"]
    try:
        ran = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return cards_of(ran.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))
