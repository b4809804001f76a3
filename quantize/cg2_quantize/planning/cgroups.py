"""The memory limit of a container or a service: Linux control groups, versions 1 and 2."""

from __future__ import annotations

from pathlib import Path

ROOT, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")

UNLIMITED = 1 << 60
"""Bytes from which on version 1 means no limit."""


def free_in_group(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes that this process's groups still allow; None where nothing limits it, or the system has no groups.

    The groups above count too. Cached file pages that the kernel would let go are free.
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
        found += [free for folder in _upwards(base, path) if (free := _free(folder, *names)) is not None]
    return min(found, default=None)


def _upwards(base: Path, path: str) -> list[Path]:
    """A group's folder and those above it; inside a container the path is the host's, and only the top is seen."""
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
    if limit >= UNLIMITED:
        return None
    return max(0, limit - usage + _cached(folder, cached_name))


def _cached(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
    except (OSError, ValueError, IndexError):
        return 0
