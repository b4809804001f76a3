"""Progress of a run: terminal line, JSON-lines log, TensorBoard files and loss curve."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TextIO

import numpy as np
from tqdm import tqdm

from cg2ls.files import write_atomically

SMOOTHED_STEPS = 50
"""Steps averaged in the plotted training loss."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a run's log, one entry per step; the last entry of a repeated step is used."""
    entries: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        entries[entry["step"]] = entry
    return [entries[step] for step in sorted(entries)]


def plot_losses(log: Path, picture: Path, title: str) -> None:
    """Plot training loss and held-out bits per byte of a log as a PNG."""
    entries = read_log(log)
    if not entries:
        return
    with use_own_fonts(picture.parent):
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    steps = np.array([entry["step"] for entry in entries])
    losses = np.array([entry["loss"] for entry in entries])
    window = min(SMOOTHED_STEPS, len(losses))
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
def use_own_fonts(folder: Path) -> Iterator[None]:
    """Let matplotlib start with its own fonts only, and leave no files.

    By default it lists the system's fonts in the user's folders, with a program that keeps its own cache.
    """
    before = {name: os.environ.get(name) for name in ("MPLCONFIGDIR", "FONTCONFIG_FILE")}
    with TemporaryDirectory(prefix=".matplotlib-", dir=folder.resolve()) as scratch:
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


SPEED_WINDOW_STEPS = 20
"""Steps over which speed is averaged."""


class TrainingSpeed:
    """Tokens per second and the share of time spent waiting for data, over the last steps.

    The first step may compile the model, so it counts only until the second step ends.
    """

    def __init__(self, tokens_per_step: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens_per_step, clock
        self._warm = False
        self._ends: deque[float] = deque([clock()], maxlen=SPEED_WINDOW_STEPS + 1)
        self._waits: deque[float] = deque(maxlen=SPEED_WINDOW_STEPS)

    def on_batch(self, seconds: float) -> None:
        """Record how long the next step waited for its batch."""
        self._waits.append(seconds)

    def on_step_end(self) -> None:
        """Record the end of a step."""
        self._ends.append(self._clock())
        if not self._warm and len(self._ends) == 3:
            self._warm = True
            self._ends.popleft()
            self._waits.popleft()

    def on_pause(self, seconds: float) -> None:
        """Exclude time spent on something else between two steps, such as an evaluation."""
        self._ends = deque((end + seconds for end in self._ends), maxlen=SPEED_WINDOW_STEPS + 1)

    @property
    def elapsed(self) -> float:
        """Seconds of the averaged steps."""
        return max(1e-9, self._ends[-1] - self._ends[0])

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return self.elapsed / max(1, len(self._ends) - 1)

    @property
    def tokens_per_s(self) -> float:
        """Tokens trained on per second."""
        return (len(self._ends) - 1) * self._tokens / self.elapsed

    @property
    def wait_share(self) -> float:
        """Share of the time spent waiting for batches."""
        return sum(self._waits) / self.elapsed


class Board(Protocol):
    """The method of TensorBoard's writers that is used here."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Write one number of one step."""


class RunProgress:
    """Outputs of one run; made by `open_progress`."""

    def __init__(self, bar: tqdm[Any], log: TextIO, board: Board | None) -> None:
        self._bar, self._log, self._board = bar, log, board

    def step(self, entry: Mapping[str, Any]) -> None:
        """Write the numbers of one step: `step`, `loss`, `tokens_per_s` and others."""
        self._log.write(json.dumps(entry) + "\n")
        share = f", {entry['mfu']:.0%} MFU" if "mfu" in entry else ""
        self._bar.update()
        self._bar.set_postfix_str(
            f"loss {entry['loss']:.3f}, {entry['tokens_per_s']:,.0f} tok/s{share}", refresh=False
        )
        if self._board:
            for name, value in _flatten(entry):
                self._board.add_scalar(name, value, entry["step"])


@contextmanager
def open_progress(run: Path, name: str, done: int, steps: int, *, shown: bool) -> Iterator[RunProgress]:
    """Append to `run`/log.jsonl and, if tensorboardX is installed, to `run`/tensorboard.

    Entries of steps after the last saved state are removed, since a resumed run repeats these steps.

    Args:
        run: folder of the run, created if missing.
        name: name of the run, shown with the bar.
        done: steps done before.
        steps: total number of steps.
        shown: whether to show the bar.
    """
    run.mkdir(parents=True, exist_ok=True)
    _drop_entries_after(run / "log.jsonl", done)
    bar = tqdm(total=steps, initial=done, unit="step", disable=not shown, desc=name)
    with (
        bar,
        (run / "log.jsonl").open("a", encoding="utf-8", buffering=1) as log,
        _open_board(run / "tensorboard", done) as board,
    ):
        yield RunProgress(bar, log, board)


def _drop_entries_after(log: Path, done: int) -> None:
    """Keep the entries of steps up to `done`, each once."""
    if log.exists():
        kept = [entry for entry in read_log(log) if entry["step"] <= done]
        write_atomically(log, "".join(json.dumps(entry) + "\n" for entry in kept))


def _open_board(folder: Path, done: int) -> AbstractContextManager[Board | None]:
    """Open TensorBoard's writer; return an empty context if tensorboardX is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError:
        return nullcontext()
    writer: AbstractContextManager[Board] = SummaryWriter(str(folder), purge_step=done + 1 if done else None)
    return writer


def _flatten(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}/")
        elif name != "step":
            yield f"{prefix}{name}", value
