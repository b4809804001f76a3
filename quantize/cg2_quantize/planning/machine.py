"""Free memory of this machine, its NVIDIA cards and the container it runs in, and whether a conversion fits.

A container's limit is that of Linux control groups, versions 1 and 2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cg2_quantize.errors import QuantizeError
from cg2ls.files import check_replaceable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.models.codegen2 import CodeGenConfig


@dataclass(frozen=True)
class Machine:
    """Free memory of a machine, bytes.

    Attributes:
        memory: memory that the system would give a new program, the container's limit included; 0 if unknown.
        gpu: free memory of the NVIDIA card with the most; 0 without one.
        gpu_name: the driver's name of that card, "" without one.
        limit: what limits `memory`, in words; "" for the machine itself.
        cuda: whether the installed ONNX Runtime supports CUDA.
    """

    memory: int
    gpu: int = 0
    gpu_name: str = ""
    limit: str = ""
    cuda: bool = True


def inspect_machine() -> Machine:
    """Ask the system, and the driver where there is one, for free memory."""
    name, free = select_freest_card(_list_cards())
    memory, limit = _read_free_memory(), ""
    group = read_group_free_bytes()
    if group is not None and (group < memory or not memory):
        memory, limit = max(1, group), "this container's limit"  # 0 would mean: unknown
    return Machine(memory, free, name, limit, _has_cuda())


def _read_free_memory() -> int:
    """Return the bytes that the system would give a new program; 0 where it does not tell, as without /proc."""
    try:
        return int(psutil.virtual_memory().available)
    except (OSError, ValueError, psutil.Error):
        return 0


@dataclass(frozen=True)
class Card:
    """An NVIDIA card as its driver reports it; `free` in bytes."""

    index: str
    uuid: str
    name: str
    free: int


def select_freest_card(cards: Sequence[Card]) -> tuple[str, int]:
    """Return name and free memory of the card with the most; the name says how to select it."""
    if not cards:
        return "", 0
    best = max(cards, key=lambda card: card.free)
    if len(cards) == 1:
        return best.name, best.free
    return (
        f"{best.name}, the freest of {len(cards)}: run the server with CUDA_VISIBLE_DEVICES={best.index}",
        best.free,
    )


def parse_cards(table: str, visible: str | None = None) -> list[Card]:
    """Parse lines "index, uuid, name, free MiB"; a card whose memory the driver does not report has 0.

    Args:
        table: output of nvidia-smi.
        visible: value of CUDA_VISIBLE_DEVICES, which names the cards that programs may use; None if not set.
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


def _list_cards() -> list[Card]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=index,uuid,name,memory.free", "--format=csv,noheader,nounits"]
    try:
        ran = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_cards(ran.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


CGROUP_ROOT, CGROUP_MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")

UNLIMITED_BYTES = 1 << 60
"""Version 1 reports at least this limit where there is none."""


def read_group_free_bytes(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int | None:
    """Return the bytes that this process's groups still allow; None without a limit or without groups.

    Parent groups count too. Cached file pages that the kernel can reclaim count as free.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    found: list[int] = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            names, base = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            base = root / "memory"
        else:
            continue
        found += [free for folder in _list_groups(base, path) if (free := _free(folder, *names)) is not None]
    return min(found, default=None)


def _list_groups(base: Path, path: str) -> list[Path]:
    """Return a group's folder and its parents; inside a container, whose path is the host's, only the top."""
    folders = [base]
    for part in Path(path.lstrip("/")).parts:
        if part == "..":
            return [base]
        folders.append(folders[-1] / part)
    return folders


def _free(folder: Path, limit_name: str, usage_name: str, cached_name: str) -> int | None:
    try:
        limit = int((folder / limit_name).read_text())  # "max" where there is none
        usage = int((folder / usage_name).read_text())
    except (OSError, ValueError):
        return None
    if limit >= UNLIMITED_BYTES:
        return None
    return max(0, limit - usage + _cached(folder, cached_name))


def _cached(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
    except (OSError, ValueError, IndexError):
        return 0


TENSOR_COPIES = 2.3
"""Copies of the largest tensor in float32 in memory at once: as read, as written, and the threads' parts."""

BASE_BYTES = 400 << 20
"""Memory of Python, numpy and onnx."""


def check_output(folder: Path, *, force: bool, proof: str) -> None:
    """Refuse to overwrite a folder; with `force`, only a folder without the file `proof` is refused.

    Raises:
        OutputError: the folder is of another kind.
        QuantizeError: it exists, and `force` is not given.
    """
    check_replaceable(folder, proof)
    if not force and folder.exists() and any(folder.iterdir()):
        raise QuantizeError(f"{folder} exists; replace it with --force, or choose another name with -o.")


def check_space(folder: Path, need: int, *, other: str = "choose another disk with -o") -> None:
    """Refuse if the disk of `folder` has fewer than `need` bytes free.

    Args:
        folder: what will be written, which need not exist.
        need: bytes.
        other: how the user chooses another disk, for the message.

    Raises:
        QuantizeError: see above.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < need:
        raise QuantizeError(
            f"{folder} needs up to {need / 1e6:.0f} MB, but its disk has {free / 1e6:.0f} MB free;"
            f" make room, or {other}."
        )


def check_memory(config: CodeGenConfig) -> None:
    """Refuse if this machine has less free memory than rounding the largest tensor takes.

    Raises:
        QuantizeError: see above.
    """
    largest = 4 * max(config.vocab_size * config.n_embd, config.n_inner * config.n_embd)
    need, free = int(TENSOR_COPIES * largest) + BASE_BYTES, inspect_machine().memory
    if 0 < free < need:
        raise QuantizeError(
            f"Converting this model needs {need / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free;"
            " close something, or convert it on a larger machine."
        )
