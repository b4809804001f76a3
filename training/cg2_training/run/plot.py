"""The loss curve as a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SMOOTHING = 50
"""Steps averaged for the drawn training loss."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """Entries of a run's log, one per step; of a step repeated after a resume the last counts."""
    entries: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        entries[entry["step"]] = entry
    return [entries[step] for step in sorted(entries)]


def plot_losses(log: Path, picture: Path, title: str) -> None:
    """Draws training loss and held-out bits per byte of a log into a PNG."""
    entries = read_log(log)
    if not entries:
        return
    with _own_fonts(picture.parent):
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    steps = np.array([entry["step"] for entry in entries])
    losses = np.array([entry["loss"] for entry in entries])
    window = min(SMOOTHING, len(losses))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(steps, losses, color="0.85", linewidth=0.5)
    axes.plot(steps[window - 1 :], smooth, color="tab:blue", label=f"training loss, mean of {window} steps")
    axes.set(
        xlabel="step",
        ylabel="nats per token",
        title=title,
        ylim=(0.95 * smooth.min(), np.percentile(losses, 99)),
    )
    heldout = [(entry["step"], entry["heldout"]["bits_per_byte"]) for entry in entries if "heldout" in entry]
    if heldout:
        right = axes.twinx()
        right.plot(
            *zip(*heldout, strict=True), "o-", color="tab:red", markersize=3, label="held-out bits per byte"
        )
        right.set_ylabel("bits per byte")
    figure.legend(loc="upper right", bbox_to_anchor=(1, 1), bbox_transform=axes.transAxes)
    figure.savefig(picture, dpi=120)
    plt.close(figure)


@contextmanager
def _own_fonts(room: Path) -> Iterator[None]:
    """Has matplotlib start with the fonts it carries, and leave nothing behind.

    By itself it lists the system's fonts in the user's folders, with a program that keeps a cache of its own.
    """
    before = {name: os.environ.get(name) for name in ("MPLCONFIGDIR", "FONTCONFIG_FILE")}
    with TemporaryDirectory(prefix=".matplotlib-", dir=room.resolve()) as scratch:
        no_fonts = Path(scratch) / "fonts.conf"
        no_fonts.write_text("<fontconfig/>", encoding="utf-8")
        os.environ.update(MPLCONFIGDIR=scratch, FONTCONFIG_FILE=str(no_fonts))
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
