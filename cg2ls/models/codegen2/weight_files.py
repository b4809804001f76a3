"""Which files of a checkpoint folder hold its weights, decided as `transformers` decides it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cg2ls.models.codegen2.files import CheckpointError, problem_of, read_json

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
"""Endings of weights in forms that are not read here."""


@dataclass(frozen=True)
class WeightFiles:
    """The files that hold a checkpoint's weights.

    Attributes:
        pickled: whether they are PyTorch's .bin files rather than safetensors.
        paths: the files, in the order of their names.
    """

    pickled: bool
    paths: tuple[Path, ...]


def find_weights(folder: Path) -> WeightFiles:
    """Decides on the weight files and checks that each is there and no stand-in.

    One safetensors file goes before safetensors in shards, these before pytorch_model.bin, that before .bin shards.

    Raises:
        CheckpointError: there are none, one is missing, or the folder holds an adapter.
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
    """Names of the shards that an index names, sorted.

    Raises:
        CheckpointError: the index is damaged, or leaves its folder.
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
    """Shards without an index, all that their own names count."""
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
        f"{folder} holds an adapter (LoRA) of {base}, which a conversion would leave out; merge it into its model"
        f" first (merge_and_unload of peft), or take {ADAPTER} away to convert the weights without it."
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
