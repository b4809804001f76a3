"""From a model folder to what another runtime loads, and the reference model that speed is compared on."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

from cg2_quantize.checkpoint.dequantize import TRANSFORMERS_GROUPS, dequantize
from cg2_quantize.checkpoint.synthetic import REFERENCE, write_random_checkpoint
from cg2_quantize.convert import ConversionOptions, convert
from cg2_quantize.errors import QuantizeError
from cg2ls.files import replacing_folder
from cg2ls.models.codegen2.special_tokens import END_OF_TEXT
from cg2ls.models.folder.description import GRAPH, WEIGHTS, ModelDescription

CHECKPOINT = "checkpoint"
STAMP = "made-from.txt"


def prepare(rival: str, folder: Path, room: Path) -> Path:
    """Converts unless `room` has the same weights for the same version of the rival.

    Args:
        rival: `optimum`, `ctranslate2` or `llamacpp`.
        folder: a model folder.
        room: gets the checkpoint and a folder named as the rival.

    Raises:
        Cg2Error: the model folder is damaged, its heads suit no rival, or the disk is too full.
    """
    weights = _weights(folder)
    checkpoint, made = room / CHECKPOINT, room / rival
    if _stamped(made, stamp := f"{weights} {_version(rival)}"):
        return made
    if not _stamped(checkpoint, weights):
        config = dequantize(folder, checkpoint, force=True)
        if config.qkv_groups != TRANSFORMERS_GROUPS:
            raise QuantizeError(
                f"{folder}: {config.n_head} heads do not divide by {TRANSFORMERS_GROUPS}, so no rival reads them."
            )
        write_tokenizer_config(checkpoint)
        (checkpoint / STAMP).write_text(weights)
    with replacing_folder(made, proof=STAMP) as new:
        _convert(rival, checkpoint, new)
        (new / STAMP).write_text(stamp)
    return made


def write_tokenizer_config(checkpoint: Path) -> None:
    """Tells `transformers` the special tokens: CTranslate2 writes a model it cannot load if one is missing."""
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    raw = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(raw))


def _convert(rival: str, checkpoint: Path, folder: Path) -> None:
    if rival == "optimum":
        from cg2_runtimes.optimum_runtime import export

        export(checkpoint, folder)
    elif rival == "ctranslate2":
        from cg2_runtimes.ctranslate2_runtime import convert

        convert(checkpoint, folder)
    else:
        from cg2_runtimes.llamacpp_convert import convert as to_gguf

        to_gguf(checkpoint, folder)


def _weights(folder: Path) -> str:
    files = ModelDescription.read(folder).files
    return f"{files[GRAPH].sha256} {files[WEIGHTS].sha256}"


def _version(rival: str) -> str:
    packages = {
        "optimum": ("optimum-onnx", "onnxruntime", "transformers"),
        "ctranslate2": ("ctranslate2",),
        "llamacpp": ("llama-cpp-python", "gguf"),
    }
    return " ".join(version(package) for package in packages[rival])


def _stamped(folder: Path, stamp: str) -> bool:
    try:
        return (folder / STAMP).read_text() == stamp
    except OSError:
        return False


SEED = 1


def write_reference_model(folder: Path) -> None:
    """Writes an int8 model folder of random weights in the shape REFERENCE, replacing one that is there.

    The seed is fixed: the weights are the same on every machine.

    Raises:
        Cg2Error: the disk is too full, or a package is missing.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".reference-") as room:
        checkpoint = Path(room) / "reference"
        write_random_checkpoint(checkpoint, REFERENCE, seed=SEED)
        convert(checkpoint, folder, ConversionOptions(precision="int8", name="reference-8x512", force=True))
