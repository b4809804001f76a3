"""Models are added whole or not at all, listed, found and removed."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from cg2ls.models.folder.choice import LastingChoices, write_lasting
from cg2ls.models.folder.description import ModelDescription, ModelFolderError
from cg2ls.models.folder.store import ModelStore, locate_model


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models", tmp_path / "shipped")


def rename(folder, name):
    dataclasses.replace(ModelDescription.read(folder), name=name).write(folder)
    return folder


def test_an_empty_store_has_no_models(store):
    assert store.models() == []


def test_an_added_model_is_a_sound_copy_under_its_name(store, folder):
    rename(folder, "mine")
    (folder / "notes.txt").write_text("not listed, so not copied")
    added = store.add(folder)
    shutil.rmtree(folder)
    assert added.folder == store.root / "mine" == store.locate("mine")
    assert [(model.name, model.problem) for model in store.models()] == [("mine", "")]
    assert sorted(path.name for path in added.folder.iterdir()) == sorted(
        ["README.md", "model.json", *added.description.files]
    )


def test_adding_again_replaces(store, folder):
    rename(folder, "mine")
    store.add(folder)
    dataclasses.replace(ModelDescription.read(folder), license="MIT").write(folder)
    store.add(folder)
    assert [model.description.license for model in store.models()] == ["MIT"]


def test_adding_a_stored_model_changes_nothing(store, folder):
    added = store.add(rename(folder, "mine"))
    assert store.add(added.folder) == added


def test_a_damaged_model_is_not_added_and_nothing_is_left(store, folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json is missing"):
        store.add(folder)
    assert not store.root.exists()


def test_a_copy_that_fails_leaves_the_model_that_was_there(store, folder, monkeypatch):
    store.add(rename(folder, "mine"))

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ModelFolderError, match=r"could not be copied .*No space left on device"):
        store.add(folder)
    assert [path.name for path in store.root.iterdir()] == ["mine"]
    assert ModelDescription.read(store.locate("mine")).name == "mine"


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "default", "a b", "x" * 101])
def test_names_that_cannot_be_folders_are_refused(store, folder, name):
    with pytest.raises(ModelFolderError, match="cannot be used"):
        store.add(rename(folder, name))
    assert not store.root.exists()


def test_the_shipped_model_has_its_own_name_which_default_means_too(store, folder, tmp_path):
    shutil.copytree(rename(folder, "small"), tmp_path / "shipped")
    [model] = store.models()
    assert (model.name, model.is_shipped) == ("small", True)
    assert store.locate("small") == store.locate("default") == tmp_path / "shipped"
    assert store.is_name("small")
    with pytest.raises(ModelFolderError, match="not removed"):
        store.remove("small")


def test_an_added_model_with_the_shipped_models_name_replaces_that_name(store, folder, tmp_path):
    shutil.copytree(rename(folder, "small"), tmp_path / "shipped")
    store.add(rename(folder, "small"))
    assert [(model.name, model.is_shipped) for model in store.models()] == [
        ("default", True),
        ("small", False),
    ]
    assert store.locate("small") == store.root / "small"


def test_the_shipped_model_comes_first(store, folder, tmp_path):
    store.add(rename(folder, "another"))
    with pytest.raises(ModelFolderError, match=r"no default model .*cg2ls models add"):
        store.locate("default")
    shutil.copytree(folder, tmp_path / "shipped")
    assert [model.name for model in store.models()] == ["default", "another"]
    assert store.locate("default") == tmp_path / "shipped"
    with pytest.raises(ModelFolderError, match="not removed"):
        store.remove("default")


def test_a_model_may_be_named_by_its_folder(store, folder):
    assert store.locate(str(folder)) == folder
    assert not store.is_name(str(folder))


def test_an_unknown_model_is_refused_with_a_list_of_models(store, folder):
    with pytest.raises(ModelFolderError, match="no model 'x', by name or as a folder; there are: none"):
        store.locate("x")
    store.add(rename(folder, "mine"))
    with pytest.raises(ModelFolderError, match="there are: mine"):
        store.locate("x")


def test_a_damaged_model_is_listed_as_such(store, folder):
    store.add(rename(folder, "mine"))
    (store.root / "mine" / "model.json").write_text("{")
    [model] = store.models()
    assert (model.name, model.description, model.size) == ("mine", None, 0)
    assert "cannot be read as JSON" in model.problem


def test_removing(store, folder):
    store.add(rename(folder, "mine"))
    with pytest.raises(ModelFolderError, match="no added model 'other'; added are: mine"):
        store.remove("other")
    with pytest.raises(ModelFolderError, match=r"no added model '\.\./given'"):
        store.remove("../given")
    store.remove("mine")
    assert store.models() == []


def test_locating_names_the_source_of_the_choice(home, folder):
    ModelStore().add(rename(folder, "mine"))
    write_lasting(home / "models.json", LastingChoices(by_language={"python": "mine", "go": "gone"}))
    located = locate_model(language="python")
    assert (located.name, located.folder) == ("mine", home / "models" / "mine")
    with pytest.raises(ModelFolderError, match=r"no model 'gone'.*chosen for go with `cg2ls models use`"):
        locate_model(language="go")
    with pytest.raises(ModelFolderError, match=r"no default model .*cg2ls models use"):
        locate_model()
    assert locate_model(flag=str(folder)).reason == "given on the command line"


@pytest.mark.parametrize("model", ["~nobody-of-this-name/model", "a" * 5_000, "a\0b"])
def test_a_name_that_cannot_be_a_path_is_reported_in_one_sentence(store, model):
    with pytest.raises(ModelFolderError):
        store.locate(model)


def test_card_report_and_licence_are_added_too_but_nothing_else(store, folder):
    for name in ("README.md", "LICENSE", "report.json", "notes.txt"):
        (folder / name).write_text(name)
    (folder / "NOTICE").symlink_to(folder / "notes.txt")
    added = store.add(rename(folder, "mine")).folder
    for name in ("README.md", "LICENSE", "report.json"):
        assert (added / name).read_text() == name
    assert not (added / "notes.txt").exists()
    assert not (added / "NOTICE").exists(), "a link may lead anywhere"


def test_an_adopted_folder_is_moved_and_replaces_the_model_of_its_name(store, folder, tmp_path):
    store.add(rename(folder, "mine"))
    coming = shutil.copytree(folder, tmp_path / "coming")
    (coming / "README.md").write_text("new")
    adopted = store.adopt(coming)
    assert adopted.folder == store.root / "mine"
    assert (adopted.folder / "README.md").read_text() == "new"
    assert not coming.exists()
    assert [path.name for path in store.root.iterdir()] == ["mine"]


def test_a_damaged_folder_is_not_adopted(store, folder, tmp_path):
    coming = shutil.copytree(rename(folder, "mine"), tmp_path / "coming")
    (coming / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelFolderError, match=r"model\.onnx has 0 bytes"):
        store.adopt(coming)
    assert coming.exists()
    assert not store.root.exists()
