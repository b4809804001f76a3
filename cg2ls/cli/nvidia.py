"""NVIDIA cards: find driver, CUDA, cuDNN and cards, and what to install where they do not fit."""

from __future__ import annotations

import ctypes
import importlib
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass

from cg2ls.installation import install_command, replace_runtime
from cg2ls.machine import find_package_version

TIMEOUT_S = 5

GPU_PACKAGE = "onnxruntime-gpu[cuda,cudnn]"
QUOTED = f"'{GPU_PACKAGE}'"

MIN_CAPABILITY = {12: (5, 0), 13: (7, 5)}
"""Oldest compute capability that a CUDA version still compiles for (its release notes: 13 dropped Maxwell, Pascal
and Volta)."""


@dataclass(frozen=True, kw_only=True)
class Nvidia:
    """NVIDIA hardware and software of this machine; None or empty if missing or unknown.

    Attributes:
        cards: name, driver version and memory of each card, for people.
        capability: compute capability of the oldest card.
        driver_cuda: newest CUDA version that the driver runs.
        runtime: version of onnxruntime-gpu.
        runtime_cuda: CUDA version it was built for.
        cudnn: version of cuDNN that would be loaded.
    """

    cards: tuple[str, ...] = ()
    capability: tuple[int, int] | None = None
    driver_cuda: tuple[int, int] | None = None
    runtime: str | None = None
    runtime_cuda: tuple[int, int] | None = None
    cudnn: str | None = None

    def describe(self) -> dict[str, str]:
        """Return labelled values for a report."""
        if not self.cards:
            return {"nvidia": "none seen"}
        return {
            "nvidia": "; ".join(self.cards),
            "compute capability": _format_version(self.capability),
            "CUDA": f"driver runs up to {_format_version(self.driver_cuda)},"
            f" onnxruntime needs {_format_version(self.runtime_cuda)}",
            "cuDNN": self.cudnn or "missing",
        }

    def find_problems(self) -> list[str]:
        """Return what keeps a model from running on the card, each with its fix."""
        if not self.cards:
            return []
        if self.runtime is None:
            return [
                f"The NVIDIA card is idle, since onnxruntime-gpu is not installed: {replace_runtime(GPU_PACKAGE)}."
            ]
        found = []
        if self.driver_cuda and self.runtime_cuda and self.driver_cuda[0] < self.runtime_cuda[0]:
            found.append(
                f"The NVIDIA driver runs CUDA up to {_format_version(self.driver_cuda)}, but onnxruntime-gpu"
                f" {self.runtime} needs {self.runtime_cuda[0]}: update the driver, or install an onnxruntime-gpu"
                f" built for CUDA {self.driver_cuda[0]}."
            )
        oldest = MIN_CAPABILITY.get(self.runtime_cuda[0]) if self.runtime_cuda else None
        if oldest and self.capability and self.capability < oldest:
            found.append(
                f"The card has compute capability {_format_version(self.capability)}, but CUDA"
                f" {_format_version(self.runtime_cuda)} needs {_format_version(oldest)}: install an onnxruntime-gpu for"
                " an older CUDA."
            )
        if self.cudnn is None:
            found.append(f"cuDNN is missing: {install_command(QUOTED)}.")
        return found


def find_nvidia() -> Nvidia:
    """Ask the driver's tool, the installed onnxruntime and the loader."""
    tool = shutil.which("nvidia-smi")
    answer = _run_tool(
        tool, "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"
    )
    rows = [line.strip() for line in answer.splitlines() if line.strip()]
    if not rows:
        return Nvidia()
    capabilities = [_parse_version(row.rsplit(",", 1)[1]) for row in rows]
    header = re.search(r"CUDA Version:\s*([\d.]+)", _run_tool(tool))
    return Nvidia(
        cards=tuple(row.rsplit(",", 1)[0] for row in rows),
        capability=min((found for found in capabilities if found), default=None),
        driver_cuda=_parse_version(header[1]) if header else None,
        runtime=find_package_version("onnxruntime-gpu"),
        runtime_cuda=_find_runtime_cuda(),
        cudnn=_find_cudnn(),
    )


def _run_tool(tool: str | None, *arguments: str) -> str:
    if tool is None:
        return ""
    try:
        done = subprocess.run(
            [tool, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _find_runtime_cuda() -> tuple[int, int] | None:
    """Return the CUDA version that the installed onnxruntime was built for, from its own record."""
    with suppress(ImportError, AttributeError):
        record = importlib.import_module("onnxruntime.capi.build_and_package_info")
        return _parse_version(str(record.cuda_version))
    return None


def _find_cudnn() -> str | None:
    for name in ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"):
        if found := find_package_version(name):
            return f"{found} ({name})"
    with suppress(OSError, AttributeError):
        number = int(ctypes.CDLL("libcudnn.so.9").cudnnGetVersion())
        return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return None


def _parse_version(text: str) -> tuple[int, int] | None:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _format_version(version: tuple[int, int] | None) -> str:
    return "not known" if version is None else f"{version[0]}.{version[1]}"
