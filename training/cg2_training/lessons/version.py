"""Which code made a number."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import cg2_training
import cg2ls

PACKAGES = (Path(cg2_training.__file__).parent, Path(cg2ls.__file__).parent)


def code_version(folders: tuple[Path, ...] = PACKAGES) -> str:
    """Return the commit of the code, with a digest of its files where they are not those of the commit.

    A copy without git has the digest alone.
    """
    commits = {
        _git(folder, "rev-parse", "HEAD") for folder in folders if _git(folder, "ls-files", "__init__.py")
    }
    commit = commits.pop() if len(commits) == 1 else ""
    if commit and not any(_git(folder, "status", "--porcelain", "--", ".") for folder in folders):
        return commit
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)} {len(path.read_bytes())}\n".encode())
            digest.update(path.read_bytes())
    files = f"files {digest.hexdigest()[:12]}"
    return f"{commit} with changes, {files}" if commit else files


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints; nothing where there is no git, or the folder is in no repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        ended = subprocess.run(
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.strip()
