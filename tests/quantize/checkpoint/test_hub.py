"""The files of a repository that are requested, and what its model card and its folder in the cache state."""

from __future__ import annotations

import json

import pytest

from cg2_quantize.checkpoint.sources import find_origin, list_weight_files, read_card_license
from cg2_quantize.errors import QuantizeError

INDEX = "model.safetensors.index.json"


def index(tmp_path, *names):
    path = tmp_path / INDEX
    path.write_text(json.dumps({"weight_map": {str(i): name for i, name in enumerate(names)}}))
    return lambda _: path


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (["model.safetensors", "onnx/model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (
            [INDEX, "a.safetensors", "b.safetensors", "other.safetensors"],
            [INDEX, "a.safetensors", "b.safetensors"],
        ),
        (
            ["pytorch_model.bin", "checkpoint-100/model.safetensors", "training_args.bin"],
            ["pytorch_model.bin"],
        ),
        (["model-00001-of-00001.safetensors"], ["model-00001-of-00001.safetensors"]),
    ],
)
def test_only_the_files_that_are_needed(tmp_path, present, expected):
    assert (
        list_weight_files("maker/small", present, index(tmp_path, "a.safetensors", "b.safetensors"))
        == expected
    )


@pytest.mark.parametrize(
    ("present", "says"),
    [
        ([INDEX, "a.safetensors"], "lacks b.safetensors, which its model.safetensors.index.json names"),
        (["onnx/model.safetensors"], "has no weights that are read here .*, only onnx/model.safetensors"),
        ([], r"has no weights that are read here \(safetensors or \.bin\)\.$"),
    ],
)
def test_missing_files_of_a_repository_are_named(tmp_path, present, says):
    with pytest.raises(QuantizeError, match=says):
        list_weight_files("maker/small", present, index(tmp_path, "a.safetensors", "b.safetensors"))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: apache-2.0\n---\ntext", "Apache-2.0"),
        ("---\nlanguage: code\nlicense: 'mit'\n---\n", "MIT"),
        ("---\ntags: []\n---\nlicense: mit", ""),
        ("# no metadata\nlicense: mit", ""),
    ],
)
def test_the_licence_of_a_model_card(tmp_path, card, expected):
    (tmp_path / "README.md").write_text(card)
    assert read_card_license(tmp_path) == expected


def test_a_folder_that_is_no_snapshot_has_no_origin(tmp_path):
    assert find_origin(tmp_path / "models--x" / "snapshots" / "ab") is None
    assert find_origin(tmp_path) is None
