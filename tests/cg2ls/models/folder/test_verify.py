"""A folder that is incomplete, changed, or reads other files is refused in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cg2ls.models.folder.description import ModelDescription, ModelFolderError
from cg2ls.models.folder.verify import check_integrity, check_structure, describe_file, verify_folder

FILES = ["model.onnx", "model.onnx.data", "tokenizer.json"]


def rehash(folder, name):
    """Makes model.json agree with a changed file, as an attacker would."""
    model = ModelDescription.read(folder)
    entry = describe_file(folder / name)
    dataclasses.replace(model, files={**model.files, name: entry}).write(folder)


def test_a_sound_folder_gives_its_description(folder):
    assert verify_folder(folder) == ModelDescription.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=f"{name} is missing"):
        verify_folder(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(ModelFolderError, match=rf"{name} has {len(content) - 1} bytes, but"):
        verify_folder(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFolderError):
        verify_folder(folder)
    with pytest.raises(ModelFolderError, match=rf"{name} is not the file .*SHA-256 differs"):
        check_integrity(folder, ModelDescription.read(folder))


def test_a_graph_that_reads_another_file_is_refused_though_the_hashes_agree(folder):
    graph = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(graph.replace(b"model.onnx.data", b"/etc/./hostname"))
    rehash(folder, "model.onnx")
    with pytest.raises(
        ModelFolderError, match=r"wants to read '/etc/./hostname', which model\.json does not list"
    ):
        verify_folder(folder)


def test_a_file_that_is_no_graph_is_refused(folder):
    (folder / "model.onnx").write_bytes(b"\xff" * 100)
    rehash(folder, "model.onnx")
    with pytest.raises(ModelFolderError, match="is not an ONNX model"):
        verify_folder(folder)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    (folder / "model.onnx.data").rename(tmp_path / "elsewhere")
    (folder / "model.onnx.data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelFolderError, match="link out of its folder"):
        verify_folder(folder)


def test_a_folder_can_be_read_through_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    check_structure(tmp_path / "link", ModelDescription.read(tmp_path / "link"))


def test_another_family_is_refused(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"codegen2"', '"starcoder"'))
    with pytest.raises(ModelFolderError, match="family is 'starcoder'"):
        verify_folder(folder)


def test_a_folder_without_model_json_is_no_model_folder(tmp_path):
    with pytest.raises(ModelFolderError, match="is not a model folder"):
        verify_folder(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_read_permission_is_named(folder, name, monkeypatch):
    opened = Path.open

    def refusing(path, *more, **options):
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *more, **options)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(ModelFolderError, match=rf"{name} cannot be read \(Permission denied\)"):
        verify_folder(folder)
