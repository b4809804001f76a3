"""The one reader and writer of CodeGen2 and CodeGen2.5 checkpoints in the Hugging Face layout.

A checkpoint is a folder with config.json, tokenizer.json and model.safetensors, or several shards with a
model.safetensors.index.json. Tensors are memory-mapped and converted one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from cg2ls.codegen2.config import CODEGEN25, CodeGenConfig
from cg2ls.codegen2.llama import llama_shapes
from cg2ls.codegen2.safetensors_map import MappedTensor, map_safetensors
from cg2ls.errors import Cg2Error
from cg2ls.files import replacing_folder

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

BUFFERS = (".attn.causal_mask", ".attn.masked_bias", ".attn.bias", ".rotary_emb.inv_freq")
"""Endings of saved buffers that hold no weights."""


class CheckpointError(Cg2Error):
    """A checkpoint folder that is incomplete, damaged, or does not fit its own config."""


def tensor_shapes(config: CodeGenConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of every weight, as published in `Salesforce/codegen2-*` and `codegen25-*`."""
    if config.family == CODEGEN25:
        return llama_shapes(config)
    d, inner, vocab = config.n_embd, config.n_inner, config.vocab_size
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (vocab, d)}
    for layer in range(config.n_layer):
        at = f"transformer.h.{layer}"
        shapes |= {
            f"{at}.ln_1.weight": (d,),
            f"{at}.ln_1.bias": (d,),
            f"{at}.attn.qkv_proj.weight": (3 * d, d),
            f"{at}.attn.out_proj.weight": (d, d),
            f"{at}.mlp.fc_in.weight": (inner, d),
            f"{at}.mlp.fc_in.bias": (inner,),
            f"{at}.mlp.fc_out.weight": (d, inner),
            f"{at}.mlp.fc_out.bias": (d,),
        }
    return shapes | {
        "transformer.ln_f.weight": (d,),
        "transformer.ln_f.bias": (d,),
        "lm_head.weight": (vocab, d),
        "lm_head.bias": (vocab,),
    }


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint: its config, and its tensors on demand.

    Attributes:
        folder: where it lies.
        config: its architecture, with the number of qkv groups decided.
    """

    folder: Path
    config: CodeGenConfig
    _tensors: Mapping[str, MappedTensor]

    @classmethod
    def open(cls, folder: Path, *, qkv_groups: int | None = None) -> Checkpoint:
        """Maps a checkpoint and checks every name and shape against its config; reads no weights.

        Args:
            folder: the checkpoint.
            qkv_groups: overrides the group count that config.json implies.

        Raises:
            CheckpointError: a missing or truncated file, a missing tensor, a wrong shape.
            ConfigError: config.json is not CodeGen2's.
        """
        config = CodeGenConfig.from_dict(read_json(folder / "config.json"), qkv_groups)
        tensors = dict(_map_all(folder))
        for name, shape in tensor_shapes(config).items():
            if name not in tensors:
                raise CheckpointError(
                    f"{folder}: the tensor {name} is missing; download the checkpoint again."
                )
            if tensors[name].shape != shape:
                raise CheckpointError(
                    f"{folder}: {name} has shape {list(tensors[name].shape)}, but config.json implies {list(shape)}."
                )
        return cls(folder, config, tensors)

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer.json beside the weights."""
        return self.folder / "tokenizer.json"

    def names(self) -> Iterator[str]:
        """Names of the weights, in the order of the layers."""
        return iter(tensor_shapes(self.config))

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """One weight as float32, read now (float16 and bfloat16 are widened exactly)."""
        return self._tensors[name].read()


def write_checkpoint(
    folder: Path,
    config: CodeGenConfig,
    tensors: Mapping[str, npt.NDArray[np.float32]],
    tokenizer_json: str,
    *,
    end_of_text_id: int,
) -> None:
    """Writes a single-shard float32 checkpoint that `transformers` and `Checkpoint.open` both load.

    The folder appears whole or not at all; one that was there is replaced.

    Raises:
        CheckpointError: a weight is missing or has the wrong shape.
    """
    shapes = tensor_shapes(config)
    for name, shape in shapes.items():
        if name not in tensors or tensors[name].shape != shape:
            raise CheckpointError(f"cannot write {folder}: {name} must be given with shape {list(shape)}.")
    with replacing_folder(folder, proof="config.json") as new:
        (new / "config.json").write_text(
            json.dumps(config.to_dict(end_of_text_id=end_of_text_id), indent=2) + "\n"
        )
        (new / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
        weights = {name: np.ascontiguousarray(tensors[name], dtype=np.float32) for name in shapes}
        save_file(weights, str(new / SINGLE), metadata={"format": "pt"})
        (new / SINGLE).chmod(0o644)  # safetensors lets nobody else read what it writes


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: the file is missing, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; a checkpoint folder needs it.") from None
    except (OSError, ValueError, RecursionError) as wrong:
        raise CheckpointError(f"{path} cannot be read as JSON ({wrong}).") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object.")
    return value


def _map_all(folder: Path) -> Iterator[tuple[str, MappedTensor]]:
    if (folder / INDEX).exists():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise CheckpointError(f"{folder / INDEX} has no weight_map of file names; download it again.")
        files = sorted(set(weight_map.values()))
    elif (folder / SINGLE).exists():
        files = [SINGLE]
    else:
        raise CheckpointError(
            f"{folder} has neither {SINGLE} nor {INDEX}; convert .bin weights to safetensors first."
        )
    for name in files:
        if Path(name).name != name:
            raise CheckpointError(f"{folder / INDEX} names {name!r}, which is not a file of this folder.")
        for tensor, mapped in map_safetensors(folder / name):
            if not tensor.endswith(BUFFERS):
                yield tensor, mapped
