"""Opens checkpoints in every form that is read here, .bin files included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2_quantize.checkpoint.pickled import read_pickled
from cg2ls.models.codegen2 import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def open_checkpoint(
    folder: Path, *, qkv_groups: int | None = None, ignored: Collection[str] = ()
) -> Checkpoint:
    """Opens a checkpoint; see `Checkpoint.open`."""
    return Checkpoint.open(folder, qkv_groups=qkv_groups, ignored=ignored, pickled=read_pickled)
