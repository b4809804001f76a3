"""Zero, invalid values and missing packages: one sentence and a non-zero status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cg2_training.cli.main import main
from cg2_training.errors import TrainingError
from cg2_training.run.recipe import Recipe

NAN = float("nan")


@pytest.mark.parametrize(
    ("section", "key", "values"),
    [
        ("run", "steps", (0, -1)),
        ("run", "rows_per_step", (0, -4)),
        ("run", "save_every", (0, -1)),
        ("run", "evaluate_every", (0, -1)),
        ("run", "evaluate_rows", (0, -1)),
        ("run", "rows_per_pass", (-1,)),
        ("run", "loaders", (-1,)),
        ("run", "threads", (-1,)),
        ("run", "seed", (-1,)),
        ("run", "int4_share", (-0.1, 1.5, NAN)),
        ("model", "context_length", (0, -8, 15)),
        ("model", "n_layer", (0, -1)),
        ("model", "n_embd", (0, -32)),
        ("model", "n_head", (0, -1)),
        ("model", "n_masks", (0, -1)),
        ("model", "vocab_size", (0, -1)),
        ("model", "qkv_groups", (0, -1)),
        ("model", "rotary_dim", (-2,)),
        ("optimizer", "lr", (0.0, -1.0, NAN, float("inf"))),
        ("optimizer", "muon_lr", (0.0, NAN)),
        ("optimizer", "clip", (0.0, NAN)),
        ("optimizer", "weight_decay", (-0.1, NAN)),
        ("optimizer", "z_loss", (-0.1, NAN)),
        ("optimizer", "beta1", (1.0, -0.1, NAN)),
        ("optimizer", "beta2", (1.0, NAN)),
        ("optimizer", "final_lr_ratio", (-0.1, 1.1, NAN)),
        ("optimizer", "decay_share", (-0.1, 1.1, NAN)),
        ("optimizer", "tail_share", (-0.1, 1.1, NAN)),
        ("optimizer", "warmup_steps", (-1,)),
        ("objective", "infill_share", (-0.1, 1.1, NAN)),
        ("objective", "line_end_share", (-0.1, 1.1, NAN)),
        ("objective", "max_mask_ratio", (0.0, 1.0, NAN)),
        ("objective", "min_mask_ratio", (-0.1, 0.9, NAN)),
        ("objective", "max_spans", (0, -1)),
        ("objective", "max_span_chars", (0, -1)),
    ],
)
def test_a_number_out_of_bounds_is_named(
    recipe: dict[str, Any], section: str, key: str, values: tuple[float, ...]
) -> None:
    for value in values:
        raw = {**recipe, section: {**recipe.get(section, {}), key: value}}
        with pytest.raises(TrainingError) as refused:
            Recipe.from_dict(raw, "toy.toml")
        message = str(refused.value)
        assert message.startswith("toy.toml: ")
        assert key in message
        assert message.count("\n") == 0


TOKENIZE = ["tokenizer", "corpus.jsonl", "-o", "t.json"]
PRETRAIN = ["pretrain", "toy.toml", "--train", "x", "--heldout", "x", "--run", "x"]
BENCH = ["bench", "--shape", "42m"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*TOKENIZE, "--vocab-size", "0"], "argument --vocab-size: must be at least 1, not 0"),
        ([*TOKENIZE, "--masks", "-1"], "argument --masks: must be at least 1, not -1"),
        ([*TOKENIZE, "--documents", "none"], "argument --documents: must be a whole number, not 'none'"),
        ([*PRETRAIN, "--minutes", "0"], "argument --minutes: must be above 0, not 0"),
        ([*PRETRAIN, "--minutes", "nan"], "argument --minutes: must be above 0, not nan"),
        ([*PRETRAIN, "--seed", "-1"], "argument --seed: must be at least 0, not -1"),
        (["adapt", ".", "--share", "1"], "argument --share: must be between 0 and 1, not 1"),
        (["adapt", ".", "--share", "nan"], "argument --share: must be between 0 and 1, not nan"),
        (["adapt", ".", "--epochs", "0"], "argument --epochs: must be above 0, not 0"),
        (["adapt", ".", "--minutes", "-1"], "argument --minutes: must be above 0, not -1"),
        (["adapt", ".", "--minutes", "inf"], "argument --minutes: must be above 0, not inf"),
        (["evaluate", "m", "--heldout", "x", "--rows", "0"], "argument --rows: must be at least 1, not 0"),
        (["plan", "toy.toml", "--gpus", "0"], "argument --gpus: must be at least 1, not 0"),
        (["plan", "toy.toml", "--mfu", "0"], "argument --mfu: must be between 0 and 1, not 0"),
        ([*BENCH, "--rows", "0"], "argument --rows: must be at least 1, not 0"),
        ([*BENCH, "--rounds", "0"], "argument --rounds: must be at least 1, not 0"),
        (["grow", "m", "-o", "g", "--n-layer", "0"], "argument --n-layer: must be at least 1, not 0"),
        (["show-batch", "toy.toml", "--train", "x", "--rows", "0"], "--rows: must be at least 1, not 0"),
    ],
)
def test_an_argument_out_of_range_is_named(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from cg2_training.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

EXTRAS = {
    "train": {"torch", "matplotlib", "rensa", "tensorboardX", "tqdm"},
    "quantize": {"onnx", "ml_dtypes"},
}


@pytest.mark.parametrize("extras", [("train", "quantize"), ("quantize",)])
@pytest.mark.parametrize("command", ["adapt .", "export run --heldout x --corpus x -o out"])
def test_a_missing_package_is_named(extras: tuple[str, ...], command: str, tmp_path: Path) -> None:
    missing = set().union(*(EXTRAS[extra] for extra in extras))
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(missing=missing), *command.split()],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "is not installed; install it with: pip install" in ended.stderr
