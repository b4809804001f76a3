"""From a model folder to what a rival loads, by way of the checkpoint of the dequantized weights."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from cg2_quantize.checkpoint.dequantize import TRANSFORMERS_GROUPS, dequantize
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
        from cg2_runtimes.optimum_export import export

        export(checkpoint, folder)
    elif rival == "ctranslate2":
        from cg2_runtimes.ctranslate2_convert import convert

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
