"""Training speed of this trainer and of the Hugging Face Trainer, measured in turns."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from cg2_training.data.shards import TokenShard, read_documents, tokenize_corpus
from cg2_training.data.tokenizer import train_tokenizer
from cg2_training.errors import TrainingError
from cg2_training.run.hardware import flops_per_token, measure_matmul_peak, nominal_peak
from cg2_training.run.progress import TrainingSpeed
from cg2_training.run.recipe import ModelSection, OptimizerSection, Recipe, RunSection
from cg2_training.trainer import Trainer

STDLIB_MODULES = 60
"""Modules of the standard library to train on, about a million characters."""

SHAPES = {
    "10m": (6, 256, 4, 512, 8192),
    "42m": (8, 512, 8, 1024, 16384),
    "125m": (12, 768, 12, 2048, 50304),
    "350m": (20, 1024, 16, 2048, 51200),
}
"""Layers, width, heads, context and vocabulary by name; the last shape is that of CodeGen-350M."""


def make_bench_recipe(
    shape: str, *, rows: int, rows_per_pass: int, steps: int, loaders: int, threads: int
) -> Recipe:
    """Return a recipe of one of `SHAPES` for timing: AdamW, the default objective."""
    n_layer, n_embd, n_head, context, vocabulary = SHAPES[shape]
    return Recipe(
        name=f"bench-{shape}",
        model=ModelSection(
            n_layer=n_layer,
            n_embd=n_embd,
            n_head=n_head,
            rotary_dim=32,
            context_length=context,
            vocab_size=vocabulary,
            n_masks=100,
        ),
        optimizer=OptimizerSection(lr=3e-4, warmup_steps=1),
        run=RunSection(
            steps=steps, rows_per_step=rows, rows_per_pass=rows_per_pass, loaders=loaders, threads=threads
        ),
    )


def make_bench_shard(folder: Path, vocab_size: int) -> TokenShard:
    """Tokenize modules of the standard library with a tokenizer of the given size, most of whose ids stay unused."""
    library = Path(sysconfig.get_paths()["stdlib"])
    modules = sorted(library.glob("*.py"), key=lambda path: path.name)[:STDLIB_MODULES]
    corpus = folder / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"text": path.read_text("utf-8")}) + "\n" for path in modules), encoding="utf-8"
    )
    tokenizer = train_tokenizer(read_documents(corpus), vocab_size, n_masks=100)
    return tokenize_corpus(corpus, tokenizer, folder / "shard", progress=False)


Turn = Callable[[], float]
"""Callable that trains the steps of one turn and returns their seconds."""


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """Result of a benchmark.

    Attributes:
        tokens_per_s: speed of this trainer, median over the rounds.
        hf_tokens_per_s: speed of the Hugging Face Trainer; None if it was excluded.
        ratio_vs_hf: median over the rounds of this trainer's speed over the Hugging Face Trainer's.
        mfu: FLOP/s over the data sheet's; None if that is unknown.
        matmul_peak_share: median of FLOP/s over that of a large matrix product, which is measured after each turn.
        matmul_peak: FLOP/s of that product, in the trainer's precision.
        loader_wait_share: share of the trainer's time spent waiting for batches. Loaders also work during the other
            trainer's turns, so `batch_share` is needed too.
        batch_share: seconds in which one process makes a batch, over those of a step; the loaders are fast enough if it
            is below their number.
        flops_per_token: training FLOPs of one token, by `hardware.flops_per_token`.
        parameters: parameters of the model.
        device: name of the device.
        dtype: precision of the matrix products.
        rounds: measured turns of each trainer, after one that is not counted.
    """

    tokens_per_s: float
    hf_tokens_per_s: float | None
    ratio_vs_hf: float | None
    mfu: float | None
    matmul_peak_share: float
    matmul_peak: float
    loader_wait_share: float
    batch_share: float
    flops_per_token: float
    parameters: int
    device: str
    dtype: str
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return asdict(self)


def measure(
    recipe: Recipe, shard: TokenShard, folder: Path, *, turn: int, rounds: int, with_hf: bool
) -> BenchResult:
    """Time turns of a few steps of this trainer and of the Hugging Face Trainer, one after the other.

    Args:
        recipe: recipe to train; its number of steps is not used.
        shard: tokens; the Hugging Face Trainer opens the same folder.
        folder: an empty folder for the runs.
        turn: steps of a turn.
        rounds: number of measured turns.
        with_hf: whether to time the Hugging Face Trainer too.

    Raises:
        TrainingError: the Hugging Face Trainer could not be run.
    """
    recipe = replace(recipe, run=replace(recipe.run, steps=turn * (rounds + 1) + 1))
    tokens = turn * recipe.run.rows_per_step * recipe.model.context_length
    own_turn = _OwnTurns(recipe, shard, folder / "ours", turn)
    device, dtype = own_turn.trainer.device, own_turn.trainer.precision.dtype
    bf16 = dtype is torch.bfloat16
    own_speeds, hf_speeds, peaks = [], [], []
    with _hf_trainer(recipe, shard, folder / "hf", turn, bf16) if with_hf else _no_hf_trainer() as hf_turn:
        for is_measured in (False, *[True] * rounds):
            seconds, peak = (own_turn(), hf_turn()), measure_matmul_peak(device, dtype)
            if is_measured:
                own_speeds.append(tokens / seconds[0])
                hf_speeds.append(tokens / seconds[1])
                peaks.append(peak)
            else:
                own_turn.reset()
    flops = flops_per_token(recipe.model.config())
    nominal = nominal_peak(device)
    return BenchResult(
        tokens_per_s=median(own_speeds),
        hf_tokens_per_s=median(hf_speeds) if with_hf else None,
        ratio_vs_hf=median(a / b for a, b in zip(own_speeds, hf_speeds, strict=True)) if with_hf else None,
        mfu=median(own_speeds) * flops / nominal if nominal else None,
        matmul_peak_share=median(speed * flops / peak for speed, peak in zip(own_speeds, peaks, strict=True)),
        matmul_peak=median(peaks),
        loader_wait_share=own_turn.waited / own_turn.seconds,
        batch_share=own_turn.measure_batch_seconds() * own_turn.steps / own_turn.seconds,
        flops_per_token=flops,
        parameters=own_turn.trainer.model.config.n_parameters,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        dtype=own_turn.trainer.precision.name,
        rounds=rounds,
    )


class _OwnTurns:
    """Turns of this trainer, with total `steps`, `seconds`, and seconds `waited` for batches."""

    def __init__(self, recipe: Recipe, shard: TokenShard, run: Path, turn: int) -> None:
        self.trainer = Trainer(recipe, shard, shard, run)
        self.turn = turn
        self.reset()
        self._batches = self.trainer.batches(
            TrainingSpeed(recipe.run.rows_per_step * recipe.model.context_length)
        )

    def reset(self) -> None:
        """Reset the totals."""
        self.steps, self.seconds, self.waited = 0, 0.0, 0.0

    def __call__(self) -> float:
        began = time.perf_counter()
        for _ in range(self.turn):
            requested_at = time.perf_counter()
            batch = next(self._batches)
            self.waited += time.perf_counter() - requested_at
            self.trainer.step(batch, scale=0.1)
        if self.trainer.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        self.steps, self.seconds = self.steps + self.turn, self.seconds + seconds
        return seconds

    def measure_batch_seconds(self) -> float:
        """Measure the seconds in which one process makes a step's batch."""
        rows = self.trainer.rows()
        began = time.perf_counter()
        rows.rows(0, self.trainer.recipe.run.rows_per_step)
        return time.perf_counter() - began


@contextmanager
def _no_hf_trainer() -> Iterator[Turn]:
    yield lambda: 1.0


@contextmanager
def _hf_trainer(recipe: Recipe, shard: TokenShard, folder: Path, turn: int, bf16: bool) -> Iterator[Turn]:
    filename: str = shard.tokens.filename  # type: ignore[attr-defined]
    settings = {
        "recipe": recipe.to_dict(),
        "shard": str(Path(filename).parent),
        "folder": str(folder),
        "turn": turn,
        "bf16": bf16,
    }
    command = [sys.executable, "-m", "cg2_training.bench.hf_trainer", json.dumps(settings)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        requests, replies, errors = process.stdin, process.stdout, process.stderr

        def one_turn() -> float:
            with suppress(BrokenPipeError):
                print("go", file=requests, flush=True)
            reply = replies.readline()
            if not reply:
                last = errors.read().strip().splitlines()[-1:] or ["it ended without a message"]
                raise TrainingError(
                    f"the Hugging Face Trainer could not be run ({last[0]}); install it with: pip install transformers"
                    " accelerate, or exclude it with --alone."
                )
            return float(json.loads(reply))

        try:
            yield one_turn
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                requests.close()
