"""The loss curve as a picture."""

from __future__ import annotations

import json
from pathlib import Path
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
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    entries = read_log(log)
    if not entries:
        return
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
