"""Conversion of model folders for other runtimes, and the reference model for speed comparisons."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from cg2_quantize.checkpoint.dequantize import TRANSFORMERS_GROUPS, dequantize
from cg2_quantize.checkpoint.synthetic import REFERENCE, write_random_checkpoint
from cg2_quantize.convert import ConversionOptions, convert
from cg2_quantize.errors import QuantizeError
from cg2ls.files import replacing_folder
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.codegen2.config import CODEGEN2, QWEN2
from cg2ls.models.codegen2.special_tokens import END_OF_TEXT
from cg2ls.models.folder.description import GRAPH, WEIGHTS, ModelDescription

CHECKPOINT = "checkpoint"
STAMP = "made-from.txt"


def prepare(runtime: str, folder: Path, work_folder: Path) -> Path:
    """Convert a model folder, unless `work_folder` has the same weights for the same version of the runtime.

    Args:
        runtime: `optimum`, `ctranslate2` or `llamacpp`.
        folder: a model folder.
        work_folder: receives the checkpoint and a folder named after the runtime.

    Raises:
        Cg2Error: the model folder is damaged, its heads suit no other runtime, or the disk is too full.
    """
    weights = _hash_weights(folder)
    checkpoint, made = work_folder / CHECKPOINT, work_folder / runtime
    if _has_stamp(made, stamp := f"{weights} {_read_versions(runtime)}"):
        return made
    if not _has_stamp(checkpoint, weights):
        config = dequantize(folder, checkpoint, force=True)
        if config.family == CODEGEN2 and config.qkv_groups != TRANSFORMERS_GROUPS:
            raise QuantizeError(
                f"{folder} has {config.n_head} heads; other runtimes need a multiple of {TRANSFORMERS_GROUPS}."
            )
        write_tokenizer_config(checkpoint)
        (checkpoint / STAMP).write_text(weights)
    with replacing_folder(made, proof=STAMP) as new:
        _convert(runtime, checkpoint, new, ModelDescription.read(folder).precision)
        (new / STAMP).write_text(stamp)
    return made


def write_tokenizer_config(checkpoint: Path) -> None:
    """Write the special tokens for `transformers`: without one, CTranslate2 writes a model it cannot load."""
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    raw = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(raw))


def _convert(runtime: str, checkpoint: Path, folder: Path, precision: str) -> None:
    if runtime == "optimum":
        from cg2_runtimes.optimum_runtime import export

        export(checkpoint, folder)
    elif runtime == "ctranslate2":
        from cg2_runtimes.ctranslate2_runtime import convert

        convert(checkpoint, folder)
    else:
        from cg2_runtimes.llamacpp_convert import convert as to_gguf

        to_gguf(checkpoint, folder, precision)


def _hash_weights(folder: Path) -> str:
    files = ModelDescription.read(folder).files
    return f"{files[GRAPH].sha256} {files[WEIGHTS].sha256}"


def _read_versions(runtime: str) -> str:
    packages = {
        "optimum": ("optimum-onnx", "onnxruntime", "transformers"),
        "ctranslate2": ("ctranslate2",),
        "llamacpp": ("gguf",),
    }
    return " ".join(version(package) for package in packages[runtime])


def _has_stamp(folder: Path, stamp: str) -> bool:
    try:
        return (folder / STAMP).read_text() == stamp
    except OSError:
        return False


SEED = 1

QWEN_HALF_BILLION = CodeGenConfig(
    n_layer=24,
    n_embd=896,
    n_head=14,
    n_kv_head=2,
    rotary_dim=64,
    rotary_base=1e6,
    n_positions=2048,
    vocab_size=151936,
    n_inner=4864,
    qkv_groups=1,
    layer_norm_epsilon=1e-6,
    family=QWEN2,
)
"""The shape of Qwen2.5-Coder-0.5B, with the context that conversions take."""

SHAPES = {"reference-8x512": REFERENCE, "qwen2.5-coder-0.5b": QWEN_HALF_BILLION}
"""Shapes of random models, by their names; the first is the default."""


def write_reference_model(
    folder: Path, shape: str = "reference-8x512", precision: str = "int8", layers: int | None = None
) -> None:
    """Write a model folder of random weights, replacing an existing one.

    The seed is fixed: the weights are the same on every machine.

    Args:
        folder: the model folder.
        shape: one of `SHAPES`.
        precision: of the weights.
        layers: number of layers; None for all of the shape's.

    Raises:
        Cg2Error: the disk is too full, or a package is missing.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".reference-") as work_folder:
        checkpoint = Path(work_folder) / "reference"
        config = SHAPES[shape] if layers is None else replace(SHAPES[shape], n_layer=layers)
        write_random_checkpoint(checkpoint, config, seed=SEED)
        convert(checkpoint, folder, ConversionOptions(precision=precision, name=shape, force=True))
