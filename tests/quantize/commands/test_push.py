"""`cg2ls models push` against a fake hub."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.verify import verify_folder
from tests.quantize.hub_server import TOKEN, StandIn, run_models


@pytest.fixture
def hub():
    server = StandIn()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(folders, tmp_path):
    """A model folder with a private file."""
    copy = Path(shutil.copytree(folders["int8"], tmp_path / "mine"))
    replace(ModelDescription.read(copy), name="mine", license="Apache-2.0").write(copy)
    (copy / "notes.txt").write_text("private")
    return copy


def test_a_folder_is_published_in_one_commit_and_pulled_again(hub, folder, tmp_path):
    ran = run_models(hub, tmp_path, "push", folder, "maker/mine", token=TOKEN)
    assert ran.returncode == 0, ran.stderr
    stored = hub.repositories["maker/mine"]
    assert stored.commits == ["mine in int8"]
    assert stored.private, "a new repository is private unless --public is given"
    assert sorted(stored.files) == [
        *("README.md", "model.json", "model.onnx", "model.onnx.data", "tokenizer.json"),
    ]
    ran = run_models(hub, tmp_path, "pull", "maker/mine", token=TOKEN)
    assert ran.returncode == 0, ran.stderr
    again = verify_folder(tmp_path / "cg2ls" / "models" / "mine")
    assert again == ModelDescription.read(folder)


def test_files_that_the_hub_has_are_not_sent_again(hub, folder, tmp_path):
    assert run_models(hub, tmp_path, "push", folder, "maker/mine", token=TOKEN).returncode == 0
    sent = [path for path in hub.asked if path.startswith("PUT")]
    assert len(sent) == 2, "the graph and the weights"
    assert run_models(hub, tmp_path, "push", folder, "maker/mine", token=TOKEN).returncode == 0
    assert [path for path in hub.asked if path.startswith("PUT")] == sent


def test_a_dry_run_contacts_no_server(hub, folder, tmp_path):
    ran = run_models(hub, tmp_path, "push", folder, "maker/mine", "--dry-run", token=TOKEN)
    assert ran.returncode == 0, ran.stderr
    assert "MB in 5 files" in ran.stdout
    assert "notes.txt" not in ran.stdout
    assert hub.asked == []


def test_a_folder_without_a_card_gets_one(hub, folder, tmp_path):
    (folder / "README.md").unlink()
    assert run_models(hub, tmp_path, "push", folder, "maker/mine", "--public", token=TOKEN).returncode == 0
    stored = hub.repositories["maker/mine"]
    assert stored.files["README.md"].startswith(b"---\nlicense: apache-2.0\nlibrary_name: cg2ls\n")
    assert not stored.private


@pytest.mark.parametrize(
    ("name", "token", "says"),
    [
        (
            "maker/mine",
            None,
            "does not accept this account for uploading maker/mine (401): log in with `hf auth login`",
        ),
        ("other/mine", TOKEN, "other/mine may not be written with this token (403)"),
        ("mine", TOKEN, "mine is not a name on the hub, which is OWNER/NAME."),
    ],
)
def test_a_refusal_is_reported_in_one_sentence(hub, folder, tmp_path, name, token, says):
    ran = run_models(hub, tmp_path, "push", folder, name, token=token)
    assert ran.returncode == 1
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert hub.repositories == {}


def test_a_changed_folder_is_not_published(hub, folder, tmp_path):
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    ran = run_models(hub, tmp_path, "push", folder, "maker/mine", token=TOKEN)
    assert ran.returncode == 1
    assert "model.onnx has" in ran.stderr
    assert hub.asked == []


def test_a_hub_that_does_not_answer(hub, folder, tmp_path):
    ran = run_models(
        hub, tmp_path, "push", folder, "maker/mine", token=TOKEN, HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert ran.returncode == 1
    assert "nothing was published" in ran.stderr
    assert ran.stderr.count("\n") == 1
