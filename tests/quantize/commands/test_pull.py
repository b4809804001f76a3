"""`cg2ls models pull` against a fake hub."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.known_sources import SOURCES
from cg2ls.files import sha256_of
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.codegen2.config import LLAMA
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.verify import verify_folder
from tests.quantize.hub_server import TOKEN, StandIn, run_models

CHUNK = 10 << 20
"""Bytes that huggingface_hub writes to disk at a time."""

WIDE = CodeGenConfig(
    n_layer=2, n_embd=512, n_head=8, rotary_dim=16, n_positions=64, vocab_size=384, n_inner=2048
)


@pytest.fixture
def hub():
    server = StandIn()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(hub, folders, tmp_path):
    """A model folder as maker/ready, with files that must not be downloaded."""
    folder = Path(shutil.copytree(folders["int8"], tmp_path / "ready"))
    replace(ModelDescription.read(folder), name="ready", license="MIT").write(folder)
    (folder / "LICENSE").write_text("MIT License")
    (folder / "loader.py").write_text("raise SystemExit('remote code ran')")
    (folder / "extra").mkdir()
    (folder / "extra" / "model.onnx").write_bytes(b"another")
    return hub.add("maker/ready", folder)


@pytest.fixture
def checkpoint_on_hub(hub, checkpoint, tmp_path):
    """The random checkpoint as maker/small; its cg2ls.json states that it is untrained."""
    folder = Path(shutil.copytree(checkpoint, tmp_path / "small"))
    (folder / "README.md").write_text(
        "---\nlanguage: code\nlicense: apache-2.0\n---\n# Small\n\nIt is \x1b[31msmall\x1b[0m.\n"
    )
    (folder / "modeling_codegen.py").write_text("raise SystemExit('remote code ran')")
    return hub.add("maker/small", folder, license="apache-2.0")


def models_of(home):
    return home / "cg2ls" / "models"


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def test_a_model_folder_is_downloaded_checked_and_added(hub, published, tmp_path):
    ran = run_models(hub, tmp_path, "pull", "maker/ready", "--use")
    assert ran.returncode == 0, ran.stderr
    model = verify_folder(models_of(tmp_path) / "ready")
    assert model.precision == "int8"
    assert (models_of(tmp_path) / "ready" / "LICENSE").read_text() == "MIT License"
    size = ran.stdout.index("download: ")
    assert size < ran.stdout.index("Added ready"), "the size is printed first"
    assert "licence: MIT" in ran.stdout
    assert "model card: \n    # random" in ran.stdout
    assert "ready now answers" in ran.stdout
    assert not any("loader.py" in path or "extra" in path for path in hub.asked if "/resolve/" in path)
    assert [path.name for path in models_of(tmp_path).iterdir()] == ["ready"], "nothing else is left"


def test_the_weights_are_on_disk_once(hub, published, tmp_path):
    assert run_models(hub, tmp_path, "pull", "maker/ready").returncode == 0
    size = len(published.files["model.onnx.data"])
    copies = [
        path for path in files_below(tmp_path) if path.stat().st_size == size and "ready/" not in str(path)
    ]
    assert copies == [], "besides what the test published and the store's own"


def test_an_interrupted_download_is_resumed(hub, tmp_path):
    write_random_checkpoint(tmp_path / "wide", WIDE)
    from cg2_quantize import ConversionOptions, convert

    convert(tmp_path / "wide", tmp_path / "model", ConversionOptions(precision="fp32", name="wide"))
    stored = hub.add("maker/wide", tmp_path / "model")
    hub.cut["model.onnx.data"] = CHUNK + 1000
    ran = run_models(hub, tmp_path, "pull", "maker/wide")
    assert ran.returncode == 0, ran.stderr
    assert hub.ranges == [f"model.onnx.data bytes={CHUNK}-"], "the rest, not the whole file"
    assert len(stored.files["model.onnx.data"]) > CHUNK
    verify_folder(models_of(tmp_path) / "wide")


def test_a_second_pull_fetches_no_weights(hub, published, tmp_path):
    assert run_models(hub, tmp_path, "pull", "maker/ready").returncode == 0
    before = len(hub.asked)
    ran = run_models(hub, tmp_path, "pull", "maker/ready")
    assert ran.returncode == 0
    assert "is here already" in ran.stdout
    assert not any("model.onnx.data" in path for path in hub.asked[before:])


def test_another_model_of_the_name_is_kept_unless_forced(hub, published, tmp_path, folders):
    assert run_models(hub, tmp_path, "pull", "maker/ready").returncode == 0
    about = json.loads(published.files["model.json"])
    about["files"]["tokenizer.json"]["sha256"] = "0" * 64
    published.files["model.json"] = json.dumps(about).encode()
    ran = run_models(hub, tmp_path, "pull", "maker/ready")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "There is a model ready already" in ran.stderr
    ran = run_models(hub, tmp_path, "pull", "maker/ready", "--force")
    assert ran.returncode == 1
    assert "SHA-256 differs" in ran.stderr, "a damaged file is not added"
    verify_folder(models_of(tmp_path) / "ready")


def test_a_checkpoint_is_converted_into_the_store(hub, checkpoint_on_hub, tmp_path, folders):
    ran = run_models(hub, tmp_path, "pull", "maker/small@v1", "--proof", "none", "--convert", "--kv float")
    assert ran.returncode == 0, ran.stderr
    place = models_of(tmp_path) / "small"
    model = verify_folder(place)
    assert (model.source.checkpoint, model.source.revision) == ("maker/small", checkpoint_on_hub.commit)
    assert model.precision == "int8", "auto chose it"
    assert (
        model.files["model.onnx.data"].sha256
        == ModelDescription.read(folders["int8"]).files["model.onnx.data"].sha256
    )
    assert "licence: apache-2.0" in ran.stdout
    assert "# Small\n    It is [31msmall[0m." in ran.stdout, "a card cannot control the terminal"
    assert not any("modeling_codegen.py" in path for path in hub.asked if "/resolve/" in path)
    assert [path.name for path in models_of(tmp_path).iterdir()] == ["small"]


def test_the_checkpoint_is_on_disk_once_and_can_be_discarded(hub, checkpoint_on_hub, tmp_path):
    ran = run_models(hub, tmp_path, "pull", "maker/small", "--proof", "none")
    assert ran.returncode == 0, ran.stderr
    digest = sha256_of(tmp_path / "small" / "model.safetensors")
    cached = [path for path in files_below(tmp_path / "hf") if sha256_of(path) == digest]
    assert len(cached) == 1
    ran = run_models(hub, tmp_path, "pull", "maker/small", "--proof", "none", "--force", "--discard")
    assert ran.returncode == 0, ran.stderr
    assert not cached[0].exists()


def test_a_dry_run_fetches_no_weights(hub, checkpoint_on_hub, published, tmp_path):
    for name in ("maker/small", "maker/ready"):
        ran = run_models(hub, tmp_path, "pull", name, "--dry-run")
        assert ran.returncode == 0, ran.stderr
        assert "download: " in ran.stdout
    assert not any("model.safetensors" in path or "model.onnx.data" in path for path in hub.asked)
    assert list(models_of(tmp_path).glob("[!.]*")) == []


REFUSALS = {
    "maker/absent": "maker/absent is not shown by the hub (401)",
    "maker/forbidden": "maker/forbidden may not be read with this account (403)",
    "maker/gone": "maker/gone is neither a local folder nor a model on the hub (404)",
    "maker/busy": "too many requests (429)",
    "maker/private": "maker/private is not shown by the hub (401)",
    "maker/gated": "maker/gated is gated: accept its conditions on its page on the hub, then log in",
    "maker/ready@v9": "maker/ready has no revision v9",
    "maker/odd": "holds neither a checkpoint (config.json) nor a model folder (model.json).",
    "maker/cut": "maker/cut lacks model.onnx.data, which its model.json names.",
    "nothing": "nothing is not a name on the hub",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_reported_in_one_sentence(hub, published, tmp_path, name):
    ready = hub.repositories["maker/ready"]
    hub.status = {"maker/forbidden": 403, "maker/gone": 404, "maker/busy": 429}
    hub.repositories["maker/private"] = replace(ready, private=True)
    hub.repositories["maker/gated"] = replace(ready, gated=True)
    hub.repositories["maker/odd"] = replace(ready, files={"README.md": b"text"})
    cut = {path: data for path, data in ready.files.items() if path != "model.onnx.data"}
    hub.repositories["maker/cut"] = replace(ready, files=cut)
    ran = run_models(hub, tmp_path, "pull", name)
    assert ran.returncode == 1
    assert REFUSALS[name] in ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert list(models_of(tmp_path).glob("[!.]*")) == []


def test_a_renamed_repository_is_followed_and_named(hub, published, tmp_path):
    hub.renamed["maker/old"] = "maker/ready"
    ran = run_models(hub, tmp_path, "pull", "maker/old")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[0] == "maker/old is called maker/ready on the hub now."


def test_a_private_model_is_read_with_a_token(hub, published, tmp_path):
    published.private = True
    assert run_models(hub, tmp_path, "pull", "maker/ready", token=TOKEN).returncode == 0


def test_offline_mode_contacts_no_server(hub, published, tmp_path):
    ran = run_models(hub, tmp_path, "pull", "maker/ready", HF_HUB_OFFLINE="1")
    assert (ran.returncode, hub.asked) == (1, [])
    assert (
        ran.stderr == "cg2ls: HF_HUB_OFFLINE forbids asking the hub for maker/ready; unset it to download.\n"
    )


def test_a_hub_that_does_not_answer(hub, tmp_path):
    ran = run_models(hub, tmp_path, "pull", "maker/ready", HF_ENDPOINT="http://127.0.0.1:9")
    assert ran.returncode == 1
    assert ran.stderr.startswith("cg2ls: maker/ready cannot be downloaded (")
    assert ran.stderr.count("\n") == 1


def test_the_list_contacts_no_server_and_has_every_source(hub, tmp_path):
    ran = run_models(hub, tmp_path, "pull", "--list")
    assert ran.returncode == 0, ran.stderr
    assert hub.asked == []
    for source in SOURCES:
        assert source.name in ran.stdout
    rows = json.loads(run_models(hub, tmp_path, "pull", "--list", "--json").stdout)
    assert [row["name"] for row in rows] == [source.name for source in SOURCES]


def test_a_layout_that_the_table_knows_is_passed_on(hub, tmp_path):
    config = CodeGenConfig(
        n_layer=1,
        n_embd=64,
        n_head=2,
        rotary_dim=32,
        n_positions=64,
        vocab_size=400,
        n_inner=96,
        qkv_groups=1,
        family=LLAMA,
        rotary_base=5e5,
    )
    folder = tmp_path / "mellum"
    write_random_checkpoint(folder, config)
    tokenizer = (folder / "tokenizer.json").read_text()
    for part in ("prefix", "middle", "suffix"):
        tokenizer = tokenizer.replace(f"<|fim_{part}|>", f"<fim_{part}>")
    (folder / "tokenizer.json").write_text(tokenizer)
    hub.add("JetBrains/Mellum-4b-base", folder, license="apache-2.0")
    ran = run_models(hub, tmp_path, "pull", "JetBrains/Mellum-4b-base", "--format", "int8", "--proof", "none")
    assert ran.returncode == 0, ran.stderr
    layout = ModelDescription.read(models_of(tmp_path) / "Mellum-4b-base").tokens.fim
    assert layout is not None
    assert (layout.order, len(layout.suffix), len(layout.prefix), len(layout.middle)) == ("spm", 1, 1, 1)
