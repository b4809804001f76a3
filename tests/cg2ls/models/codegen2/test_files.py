"""A file with other content than its name suggests is reported in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2 import Checkpoint, CheckpointError, CodeTokenizer
from cg2ls.models.codegen2.files import find_weights, problem_of, read_json

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:49e82b23\nsize 4128380705\n"

STAND_INS = [
    (POINTER, "is a Git LFS pointer, not the file itself: run `git lfs pull` in that folder."),
    (b"# xet version 0\nfilesize = 1\n", "is a Git Xet pointer, not the file itself"),
    (b"/annex/objects/SHA256E-s1--ab\n", "is a git-annex pointer, not the file itself"),
    (b"", "is empty: download it again."),
    (b"\n \n", "is empty: download it again."),
    (b"\n<!DOCTYPE html><html>", "is a web page, not the file itself: download it again."),
    (b"<html><body>502</body>", "is a web page, not the file itself"),
    (b"Entry not found", r"is a server's error message \(Entry not found\), not the file itself"),
    (b'{"error": "Repository not found"}', "is a server's error message"),
    (b"Access to model x is restricted.", "is a server's error message"),
]


@pytest.mark.parametrize(("content", "says"), STAND_INS)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json"])
def test_stub_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    readers = {
        "config.json": read_json,
        "tokenizer.json": CodeTokenizer.load,
        "model.safetensors": lambda path: find_weights(path.parent),
        "pytorch_model.bin": lambda path: find_weights(path.parent),
    }
    with pytest.raises(Cg2Error, match=says) as error:
        readers[name](tmp_path / name)
    assert str(error.value).startswith(str(tmp_path / name))


def test_a_download_that_is_not_finished_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.incomplete").write_bytes(b"half")
    with pytest.raises(
        CheckpointError, match=r"only half downloaded \(model\.safetensors\.incomplete exists\)"
    ):
        find_weights(tmp_path)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "blobs" / "ab")
    with pytest.raises(CheckpointError, match="is a link to a file that is not there"):
        find_weights(tmp_path)


def test_a_good_file_has_no_problem(tiny_checkpoint: Path) -> None:
    assert {problem_of(path) for path in tiny_checkpoint.iterdir()} == {""}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"],
            "model-00002-of-00003.safetensors is missing",
        ),
        (["pytorch_model-00002-of-00002.bin"], r"pytorch_model-00001-of-00002\.bin is missing"),
        (["flax_model.msgpack"], "has its weights as Flax's msgpack"),
        (["model-q4.gguf"], "has its weights as llama.cpp's GGUF"),
        (["consolidated.00.pth"], "a PyTorch file of another name"),
        (["training_args.bin"], "has no weights"),
        ([], "has no weights: neither model.safetensors nor"),
    ],
)
def test_weights_that_are_missing_or_of_another_form_are_named(
    tmp_path: Path, names: list[str], says: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=says):
        find_weights(tmp_path)


def test_adapter_is_distinguished_from_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "maker/base"}')
    with pytest.raises(CheckpointError, match=r"holds an adapter \(LoRA\) of maker/base"):
        find_weights(tmp_path)


@pytest.mark.parametrize(
    ("names", "pickled", "first"),
    [
        (["model.safetensors", "pytorch_model.bin"], False, "model.safetensors"),
        (["pytorch_model.bin", "optimizer.bin"], True, "pytorch_model.bin"),
        (["pytorch_model-00001-of-00001.bin"], True, "pytorch_model-00001-of-00001.bin"),
    ],
)
def test_weight_files_are_chosen_as_transformers_chooses(
    tmp_path: Path, names: list[str], pickled: bool, first: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"weights")
    found = find_weights(tmp_path)
    assert (found.pickled, found.paths) == (pickled, (tmp_path / first,))


def test_bin_files_need_a_reader(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_checkpoint / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=r"weights in \.bin files; save them as safetensors"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_config_with_no_number_is_refused(tmp_path: Path, number: str) -> None:
    (tmp_path / "config.json").write_text(f'{{"layer_norm_epsilon": {number}}}')
    with pytest.raises(CheckpointError, match=number):
        read_json(tmp_path / "config.json")
