"""Reader and writer of checkpoints in the Hugging Face layout.

A checkpoint is a folder with config.json, tokenizer.json and weights: safetensors, or PyTorch's .bin if the caller
passes a reader for them. Tensors are memory-mapped and converted one at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import save_file

from cg2ls.files import replacing_folder
from cg2ls.jsontext import json_text
from cg2ls.models.codegen2.config import CodeGenConfig
from cg2ls.models.codegen2.files import (
    INDEX,
    SINGLE,
    CheckpointError,
    find_weights,
    map_safetensors,
    read_json,
)
from cg2ls.models.codegen2.quantized import TYPES, find_method_in_files, find_method_in_names
from cg2ls.models.codegen2.rotary import compute_frequencies
from cg2ls.models.codegen2.tensor_layout import tensor_shapes

__all__ = [
    "INDEX",
    "SINGLE",
    "Checkpoint",
    "CheckpointError",
    "read_json",
    "tensor_shapes",
    "write_checkpoint",
]

MASKS = (".attn.causal_mask", ".attn.bias")
FREQUENCIES = ".rotary_emb.inv_freq"
BUFFERS = (*MASKS, ".attn.masked_bias", FREQUENCIES)
"""Name endings of saved buffers, which are not weights."""

EMBEDDINGS = {"lm_head.weight": ("transformer.wte.weight", "model.embed_tokens.weight")}
"""Names of the matrix that a tied head uses, in both families."""

SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")

MAX_FREQUENCY_ERROR = 0.01
"""Relative tolerance; frequencies may be stored in half precision."""


class StoredTensor(Protocol):
    """One tensor of an open file."""

    @property
    def dtype(self) -> str:
        """Element type, as the safetensors format names it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions of the tensor."""

    @property
    def is_float(self) -> bool:
        """Whether the values are plain floats."""

    def read(self) -> npt.NDArray[np.float32]:
        """Return the values as a new array."""


PickleReader = Callable[[tuple[Path, ...]], Iterator[tuple[str, StoredTensor]]]
"""Reader of .bin files; it yields names and tensors."""


@dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint: its configuration, and its tensors on demand.

    Attributes:
        folder: folder of the checkpoint.
        config: architecture, with the number of qkv groups decided.
    """

    folder: Path
    config: CodeGenConfig
    _tensors: Mapping[str, StoredTensor]

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        qkv_groups: int | None = None,
        ignored: Collection[str] = (),
        pickled: PickleReader | None = None,
    ) -> Checkpoint:
        """Map a checkpoint and check every name and shape against its config.json, without reading weights.

        Args:
            folder: the checkpoint.
            qkv_groups: overrides the number of groups that config.json implies.
            ignored: keys of config.json to ignore.
            pickled: reader of .bin files; None to refuse them.

        Raises:
            CheckpointError: a missing or truncated file, a missing, unknown or quantized tensor, a wrong shape.
            ConfigError: config.json is not that of a CodeGen2 model.
        """
        if not folder.is_dir():
            raise CheckpointError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}.")
        config = CodeGenConfig.from_dict(read_json(folder / "config.json"), qkv_groups, ignored=ignored)
        if method := find_method_in_files(folder):
            raise CheckpointError(_quantized(folder, method))
        shapes = tensor_shapes(config)
        tensors = _without_prefix(_map_all(folder, pickled), next(iter(shapes)))
        if method := find_method_in_names(name for name in tensors if not name.endswith(BUFFERS)):
            raise CheckpointError(_quantized(folder, method))
        _check_buffers(folder, config, tensors)
        weights = {name: tensor for name, tensor in tensors.items() if not name.endswith(BUFFERS)}
        if config.tied:
            _tie(folder, weights)
        _check_weights(folder, shapes, weights)
        return cls(folder, replace(config, tied=False), weights)

    @property
    def tokenizer_path(self) -> Path:
        """Path of the checkpoint's tokenizer.json."""
        return self.folder / "tokenizer.json"

    def names(self) -> Iterator[str]:
        """Return the names of the weights, in the order of the layers."""
        return iter(tensor_shapes(self.config))

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """Read one weight as float32 (float16 and bfloat16 are widened exactly).

        Raises:
            CheckpointError: a value is NaN or infinite, or too large for float32.
        """
        values = self._tensors[name].read()
        check_finite(values, f"{self.folder}: {name}")
        return values


def write_checkpoint(
    folder: Path,
    config: CodeGenConfig,
    tensors: Mapping[str, npt.NDArray[np.float32]],
    tokenizer_json: str,
    *,
    end_of_text_id: int,
) -> None:
    """Write a single-shard float32 checkpoint that `transformers` and `Checkpoint.open` both load.

    The folder appears complete or not at all; an existing one is replaced.

    Raises:
        CheckpointError: a weight is missing, has the wrong shape, or holds a value that is not finite.
        OSError: the disk is full.
    """
    shapes = tensor_shapes(config)
    for name, shape in shapes.items():
        if name not in tensors or tensors[name].shape != shape:
            raise CheckpointError(f"cannot write {folder}: {name} must be given with shape {list(shape)}.")
        check_finite(tensors[name], f"cannot write {folder}: {name}")
    with replacing_folder(folder, proof="config.json") as new:
        (new / "config.json").write_text(
            json_text(config.to_dict(end_of_text_id=end_of_text_id), indent=2) + "\n"
        )
        (new / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
        weights = {name: np.ascontiguousarray(tensors[name], dtype=np.float32) for name in shapes}
        try:
            save_file(weights, str(new / SINGLE), metadata={"format": "pt"})
        except SafetensorError as error:
            raise _system_error(error) from None
        (new / SINGLE).chmod(0o644)  # safetensors writes files that only the owner can read


def _system_error(error: SafetensorError) -> OSError:
    """Return the system's error, which the library states only in its text."""
    number = SYSTEM_ERROR.search(str(error))
    return OSError(str(error)) if number is None else OSError(int(number[1]), os.strerror(int(number[1])))


def check_finite(values: npt.NDArray[np.floating], subject: str) -> None:
    """Check that no value is NaN or infinite.

    Args:
        values: values of a tensor; no temporary array of their size is made unless the check fails.
        subject: name of the tensor, for the message.

    Raises:
        CheckpointError: a value is NaN or infinite.
    """
    if not values.size or (np.isfinite(values.min()) and np.isfinite(values.max())):  # NaN reaches both
        return
    bad = ~np.isfinite(values)
    place = [int(at) for at in np.unravel_index(int(bad.argmax()), values.shape)]
    count = int(bad.sum())
    raise CheckpointError(
        f"{subject} holds {values[tuple(place)]} at {place} ({count} of its {values.size} values are not finite);"
        " the checkpoint is damaged, or its training diverged."
    )


def _map_all(folder: Path, pickled: PickleReader | None) -> dict[str, StoredTensor]:
    files = find_weights(folder)
    if files.pickled and pickled is None:
        raise CheckpointError(f"{folder} has its weights in .bin files; save them as safetensors first.")
    tensors: dict[str, StoredTensor] = {}
    for path in files.paths:
        found = pickled((path,)) if files.pickled and pickled is not None else map_safetensors(path)
        for name, tensor in found:
            if name in tensors:
                raise CheckpointError(
                    f"{folder}: the tensor {name} is in two files; remove the one that is stale."
                )
            tensors[name] = tensor
    return tensors


def _without_prefix(tensors: Mapping[str, StoredTensor], first: str) -> dict[str, StoredTensor]:
    """Remove the name prefix of wrappers (DistributedDataParallel, compile, Lightning).

    Args:
        tensors: tensors by name.
        first: published name of a tensor that every checkpoint has.
    """
    wrapped = next((name for name in tensors if name.endswith(f".{first}")), "")
    prefix = wrapped.removesuffix(first)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _quantized(folder: Path, method: str) -> str:
    return f"{folder} is quantized already: {method}; convert the float checkpoint it was made from."


def _check_buffers(folder: Path, config: CodeGenConfig, tensors: Mapping[str, StoredTensor]) -> None:
    """Check saved buffers against config.json and the graph."""
    for name, tensor in tensors.items():
        if name.endswith(MASKS) and len(tensor.shape) >= 2 and tensor.shape[-1] < config.n_positions:
            raise CheckpointError(
                f"{folder}: {name} is a mask for {tensor.shape[-1]} tokens, but config.json states"
                f" {config.n_positions} positions."
            )
        if name.endswith(FREQUENCIES) and tensor.is_float:
            found = tensor.read().reshape(-1)
            expected = compute_frequencies(config.rotary_dim, config.rotary_base, config.rotary_scaling)
            if found.shape != expected.shape or not np.allclose(
                found, expected, rtol=MAX_FREQUENCY_ERROR, atol=1e-7
            ):
                raise CheckpointError(
                    f"{folder}: {name} has rotary frequencies of another base or scaling than config.json states"
                    f" ({config.rotary_base:g}{'' if config.rotary_scaling is None else ', scaled'})."
                )


def _tie(folder: Path, weights: dict[str, StoredTensor]) -> None:
    """Use the embedding as the head."""
    for head, names in EMBEDDINGS.items():
        table = next((weights[name] for name in names if name in weights), None)
        if table is None:
            continue
        if head in weights and not np.array_equal(weights[head].read(), table.read()):
            raise CheckpointError(
                f"{folder}: config.json ties the head to the embedding (tie_word_embeddings), but {head} differs"
                " from it; set tie_word_embeddings to false if the head is its own."
            )
        weights[head] = table


def _check_weights(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], weights: Mapping[str, StoredTensor]
) -> None:
    for name, shape in shapes.items():
        if name not in weights:
            tied = " and config.json ties no head to the embedding (tie_word_embeddings)" * (
                name in EMBEDDINGS
            )
            raise CheckpointError(
                f"{folder}: the tensor {name} is missing{tied}; download the checkpoint again."
            )
        tensor = weights[name]
        if not tensor.is_float and (kind := TYPES.get(tensor.dtype)):
            raise CheckpointError(_quantized(folder, f"{kind} (type {tensor.dtype} of {name})"))
        if not tensor.is_float:
            raise CheckpointError(
                f"{folder}: {name} is stored as {tensor.dtype}, not as plain floats; save it as float32."
            )
        if tensor.shape != shape:
            raise CheckpointError(
                f"{folder}: {name} has shape {list(tensor.shape)}, but config.json implies {list(shape)}."
            )
    if unknown := [name for name in weights if name not in shapes]:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        hint = "merge the adapter into its model first" if "lora_" in unknown[0] else "they would be left out"
        raise CheckpointError(
            f"{folder} holds tensors that config.json has no place for ({unknown[0]}{more}); {hint}, so the model"
            " would be another one."
        )
