"""Where a checkpoint comes from: a folder, or a name on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.checkpoint.hub import HUB_NAME, SCHEME, downloaded, snapshot_of
from cg2_quantize.errors import QuantizeError
from cg2ls.models.folder.description import DESCRIPTION

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDERS = {
    *("checkpoint", "checkpoints", "ckpt", "ckpts", "model", "models", "weights", "out", "output", "outputs"),
    *("run", "runs", "result", "results", "data", "tmp", "build", "downloads", "home", "mnt"),
}
"""First parts of names that are meant as paths; owners on the hub are not called so."""


def located(checkpoint: str, *, revision: str | None = None, say: Callable[[str], object] = str) -> Path:
    """The folder of a checkpoint.

    Args:
        checkpoint: a folder, or "owner/name" on the hub, also as "hf://owner/name".
        revision: commit, branch or tag on the hub.
        say: is told what the user should know.

    Raises:
        QuantizeError: it is neither, or cannot be downloaded.
    """
    folder = Path(checkpoint).expanduser()
    problem = "" if checkpoint.startswith(SCHEME) else _meant_as_path(checkpoint)
    if checkpoint.startswith(SCHEME) or (not folder.exists() and not problem):
        folder = downloaded(checkpoint.removeprefix(SCHEME), revision, say)
    elif not folder.exists():
        raise QuantizeError(f"{checkpoint} does not exist{problem}.")
    elif revision is not None:
        raise QuantizeError("--revision is for checkpoints on the hub; leave it out for a folder.")
    folder = snapshot_of(folder)
    if (folder / DESCRIPTION).is_file() and not (folder / "config.json").exists():
        raise QuantizeError(
            f"{folder} is a model folder already; name the checkpoint it was made from, or make one of it with"
            f" cg2-quantize dequantize {folder} -o CHECKPOINT."
        )
    return folder


def _meant_as_path(text: str) -> str:
    """Why a name that is no folder here is not looked up on the hub; "" where it is."""
    if not HUB_NAME.fullmatch(text):
        return " (and is no name on the hub, which is OWNER/NAME)"
    owner = text.partition("/")[0]
    if owner.lower() in FOLDERS or Path(owner).exists():
        return f"; it reads as a path, so the hub is not asked (write {SCHEME}{text} if it is a model there)"
    return ""
