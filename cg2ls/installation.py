"""How this copy of cg2ls was installed, and the command that adds a package to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

Installer = Literal["uv tool", "pipx", "uv", "pip"]

MARKS: dict[str, Installer] = {"uv-receipt.toml": "uv tool", "pipx_metadata.json": "pipx"}
"""Files by which an installer marks the environment it made for one program."""


def find_installer(prefix: Path | None = None) -> Installer:
    """Return the program that manages an environment.

    Args:
        prefix: folder of the environment; None for this process's.
    """
    folder = Path(sys.prefix) if prefix is None else prefix
    for name, installer in MARKS.items():
        if (folder / name).is_file():
            return installer
    try:
        settings = (folder / "pyvenv.cfg").read_text("utf-8", errors="replace")
    except OSError:
        return "pip"
    is_uv = any(line.partition("=")[0].strip() == "uv" for line in settings.splitlines())
    return "uv" if is_uv else "pip"


def install_command(packages: str, prefix: Path | None = None) -> str:
    """Return the command that adds packages to an environment.

    Args:
        packages: names, separated by spaces.
        prefix: folder of the environment; None for this process's.
    """
    installer = find_installer(prefix)
    if installer == "pipx":
        return f"pipx inject cg2ls {packages}"
    if installer == "uv tool":  # `uv tool install --with` needs the source that cg2ls was installed from
        return f"uv pip install --python {sys.prefix if prefix is None else prefix} {packages}"
    return f"uv pip install {packages}" if installer == "uv" else f"pip install {packages}"


def replace_runtime(package: str) -> str:
    """Return the commands that replace ONNX Runtime by another build.

    Args:
        package: name of the build, with its extras.
    """
    quoted = f"'{package}'"
    remove = {"pipx": "pipx runpip cg2ls uninstall onnxruntime", "pip": "pip uninstall onnxruntime"}
    python = f" --python {sys.prefix}" if find_installer() == "uv tool" else ""
    removal = remove.get(find_installer(), f"uv pip uninstall{python} onnxruntime")
    return f"{removal}, then {install_command(quoted)}"
