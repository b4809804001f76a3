"""Files of a checkpoint folder: which hold the weights, what is wrong with them, and safetensors mapped into memory.

The safetensors library's numpy reader has no bfloat16; this one has.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cg2ls.errors import Cg2Error
from cg2ls.jsontext import json_value
from cg2ls.models.codegen2.quantized import TYPES

POINTERS = {
    b"version https://git-lfs": ("a Git LFS pointer", "run `git lfs pull` in that folder"),
    b"# xet version": ("a Git Xet pointer", "run `git xet checkout` in that folder"),
    b"/annex/objects/": ("a git-annex pointer", "run `git annex get .` in that folder"),
}
"""Beginnings of pointer files, small files in place of large ones."""

PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")
ANSWERS = (
    *(b"entry not found", b"repository not found", b"not found", b"invalid username or password"),
    *(b"access to model", b"access denied", b"unauthorized", b'{"error"', b'{"message"'),
)
"""Beginnings of servers' error replies; programs that ignore the status save them under the file's name."""

PARTIAL = (".incomplete", ".part", ".partial", ".crdownload", ".aria2", ".download", ".tmp")
"""Endings of unfinished downloads."""

HEAD_BYTES = 512
"""Bytes at the beginning of a file that are examined."""


class CheckpointError(Cg2Error):
    """A checkpoint folder that is incomplete, damaged, or does not fit its own config."""


def problem_of(path: Path) -> str:
    """Describe in one sentence why a file cannot be what its name says; "" if nothing is wrong."""
    if not path.is_file():
        return _absence(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})."
    for beginning, (kind, remedy) in POINTERS.items():
        if head.startswith(beginning):
            return f"{path} is {kind}, not the file itself: {remedy}."
    start = head.lstrip().lower()
    if not start:
        return f"{path} is empty: download it again."
    if start.startswith(PAGES):
        return f"{path} is a web page, not the file itself: download it again."
    if start.replace(b'{ "', b'{"').startswith(ANSWERS):
        said = head.decode("utf-8", errors="replace").strip().splitlines()[0][:60]
        return f"{path} is a server's error message ({said}), not the file itself: download it again."
    return ""


def _absence(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to a file that is not there: download it again."
    if path.is_dir():
        return f"{path} is a folder, but must be a file."
    halves = [Path(f"{path}{ending}") for ending in PARTIAL if Path(f"{path}{ending}").exists()]
    if halves:
        return f"{path} is only half downloaded ({halves[0].name} exists): download it again."
    return f"{path} is missing; the checkpoint is incomplete, download it again."


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        CheckpointError: the file is missing or does not hold a JSON object.
    """
    if problem := problem_of(path):
        raise CheckpointError(problem)
    try:
        value = json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}).") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object.")
    return value


SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED_SINGLE, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"

SHARD = re.compile(
    r"(?P<stem>model|pytorch_model)-(?P<number>\d+)-of-(?P<count>\d+)\.(?P<kind>safetensors|bin)"
)

ADAPTER = "adapter_config.json"

ELSEWHERE = {
    ".gguf": "llama.cpp's GGUF",
    ".ggml": "GGML",
    ".h5": "TensorFlow's HDF5",
    ".msgpack": "Flax's msgpack",
    ".ckpt": "a training checkpoint",
    ".pt": "a PyTorch file of another name",
    ".pth": "a PyTorch file of another name",
    ".onnx": "ONNX",
    ".safetensors": "safetensors of another name",
    ".bin": ".bin files of another name",
}
"""Endings of weight files in formats that are not supported."""


@dataclass(frozen=True)
class WeightFiles:
    """The files that hold a checkpoint's weights.

    Attributes:
        pickled: whether the files are PyTorch's .bin files rather than safetensors.
        paths: the files, in the order of their names.
    """

    pickled: bool
    paths: tuple[Path, ...]


def find_weights(folder: Path) -> WeightFiles:
    """Find the weight files, by the rule of `transformers`, and check that each is a real file.

    The order of preference is one safetensors file, safetensors shards, pytorch_model.bin, .bin shards.

    Raises:
        CheckpointError: there is no weight file, one is missing, or the folder holds an adapter.
    """
    _refuse_adapter(folder)
    for single, index, pickled in ((SINGLE, INDEX, False), (PICKLED_SINGLE, PICKLED_INDEX, True)):
        if (folder / single).exists() or (folder / single).is_symlink():
            names = [single]
        elif (folder / index).exists():
            names = indexed_files(folder / index)
        elif not (names := _shards(folder, "bin" if pickled else "safetensors")):
            continue
        paths = tuple(folder / name for name in names)
        for path in paths:
            if problem := problem_of(path):
                raise CheckpointError(problem)
        return WeightFiles(pickled, paths)
    raise CheckpointError(_nothing(folder))


def indexed_files(index: Path) -> list[str]:
    """Return the sorted names of the shards in an index.

    Raises:
        CheckpointError: the index is damaged, or names a file outside of its folder.
    """
    weight_map = read_json(index).get("weight_map")
    if (
        not isinstance(weight_map, dict)
        or not weight_map
        or not all(isinstance(name, str) for name in weight_map.values())
    ):
        raise CheckpointError(f"{index} has no weight_map of file names: download it again.")
    names = sorted(set(weight_map.values()))
    for name in names:
        if Path(name).name != name or "\\" in name:
            raise CheckpointError(f"{index} names {name!r}, which is not a file of this folder.")
    return names


def _shards(folder: Path, kind: str) -> list[str]:
    """Return the names of shards without an index, as many as their own names state."""
    if not folder.is_dir():
        return []
    found = [
        match for path in folder.iterdir() if (match := SHARD.fullmatch(path.name)) and match["kind"] == kind
    ]
    if not found:
        return []
    first = found[0]
    digits, count = len(first["number"]), int(first["count"])
    return [
        f"{first['stem']}-{number:0{digits}}-of-{first['count']}.{kind}" for number in range(1, count + 1)
    ]


def _refuse_adapter(folder: Path) -> None:
    if not (folder / ADAPTER).is_file():
        return
    base = read_json(folder / ADAPTER).get("base_model_name_or_path") or "a model"
    raise CheckpointError(
        f"{folder} holds an adapter (LoRA) of {base}, which a conversion would ignore; merge it into its model"
        f" first (merge_and_unload of peft), or remove {ADAPTER} to convert the weights without it."
    )


def _nothing(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} is not a folder." if folder.exists() else f"{folder} does not exist."
    for partial in (SINGLE, PICKLED_SINGLE):
        if "half downloaded" in (problem := problem_of(folder / partial)):
            return problem
    for path in sorted(folder.iterdir()):
        if (
            path.is_file()
            and path.suffix in ELSEWHERE
            and path.name not in ("training_args.bin", "optimizer.bin")
        ):
            return (
                f"{folder} has its weights as {ELSEWHERE[path.suffix]} ({path.name}), which is not read here;"
                f" save them as {SINGLE} or {PICKLED_SINGLE}."
            )
    return f"{folder} has no weights: neither {SINGLE} nor {INDEX}, {PICKLED_SINGLE} or {PICKLED_INDEX}."


FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Supported types, with their numpy types."""

BITS = {"C": 64, "F8_": 8, "F6_": 6, "F4": 4, "BOOL": 8}
"""Bits of other types by the beginning of their names; the remaining names end in their bits."""

MAX_HEADER_BYTES = 100_000_000
"""The limit that the format itself has."""


class SafetensorsError(Cg2Error):
    """A file that is not safetensors, or is truncated."""


@dataclass(frozen=True)
class MappedTensor:
    """One tensor of a mapped file.

    Attributes:
        dtype: element type, as the format names it ("F32", "BF16", ...).
        shape: dimensions.
    """

    dtype: str
    shape: tuple[int, ...]
    _raw: npt.NDArray[np.generic]

    @property
    def is_float(self) -> bool:
        """Whether the values are plain floats, which `read` supports."""
        return self.dtype in FLOATS

    def read(self) -> npt.NDArray[np.float32]:
        """Return the values as a new float32 array; values that are too large become infinite."""
        if self.dtype == "BF16":
            widened = self._raw.astype(np.uint32)
            widened <<= np.uint32(16)  # in place, since a large tensor must not be in memory twice
            return widened.view(np.float32).reshape(self.shape)
        with np.errstate(over="ignore"):
            return self._raw.astype(np.float32).reshape(self.shape)


def map_safetensors(path: Path) -> Iterator[tuple[str, MappedTensor]]:
    """Map a file and yield its tensors by name, without reading their data.

    Raises:
        SafetensorsError: the file is missing, truncated, or of another format.
    """
    if problem := problem_of(path):
        raise SafetensorsError(problem)
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= MAX_HEADER_BYTES:
                raise ValueError("no header")
            header = json.loads(file.read(size))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
        data = (
            np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
            if path.stat().st_size > 8 + size
            else None
        )
    except (OSError, ValueError, RecursionError) as error:
        raise SafetensorsError(f"{path} is not a safetensors file ({error}): download it again.") from None
    available = 0 if data is None else data.size
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
            start, end = (int(n) for n in entry["data_offsets"])
            expected = -(-math.prod(shape) * _bits(dtype) // 8)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise SafetensorsError(
                f"{path}: the entry for {name} is damaged; download the file again."
            ) from None
        if end - start != expected or not 0 <= start <= end:
            raise SafetensorsError(
                f"{path}: {name} does not have the size its shape implies; download the file again."
            )
        if end > available or data is None:
            raise SafetensorsError(f"{path} is cut short: {name} lies past its end; download the file again.")
        raw = data[start:end]
        yield name, MappedTensor(dtype, shape, raw.view(FLOATS[dtype]) if dtype in FLOATS else raw)


def _bits(dtype: str) -> int:
    """Return the bits of one value.

    Raises:
        ValueError: the type is unknown.
    """
    if dtype in FLOATS:
        return 8 * np.dtype(FLOATS[dtype]).itemsize
    if dtype not in TYPES:
        raise ValueError(f"the type {dtype} is unknown")
    return next((bits for start, bits in BITS.items() if dtype.startswith(start)), 0) or int(dtype[1:])
