"""`cg2-quantize OWNER/NAME` against a fake hub: what is fetched, and how each refusal of the hub ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from cg2ls.models.codegen2.files import INDEX, SINGLE
from cg2ls.models.folder import ModelDescription
from tests.quantize.hub_server import TOKEN, StandIn

PROGRAM = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from cg2_quantize.cli import main
said = {}
for name, *more in json.loads(sys.argv[1]):
    with redirect_stderr(StringIO()) as error, redirect_stdout(StringIO()):
        status = main([name, "-o", "out", "--proof", "none", "--untrained", *more])
    said[name] = [status, error.getvalue()]
print(json.dumps(said))
"""

UNWANTED = (
    *("onnx/model.safetensors", "checkpoint-100/model.safetensors", "other.safetensors"),
    *("modeling_codegen.py", "pytorch_model.bin", "training_args.bin", "tf_model.h5"),
)
"""Files of the repository that no conversion needs."""


@pytest.fixture(scope="module")
def hub():
    server = StandIn()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def published(hub, checkpoint, tmp_path_factory):
    """The random checkpoint in two shards as maker/small, with its facts, its licence and files of other kinds."""
    folder = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("published") / "small"))
    stored = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    places = {}
    for number, names in enumerate((list(stored)[::2], list(stored)[1::2]), 1):
        file = f"weights-{number}.safetensors"
        save_file({name: stored[name] for name in names}, folder / file)
        places |= dict.fromkeys(names, file)
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    facts = json.loads((folder / "cg2ls.json").read_text())
    facts |= {"name": "stated", "license": "BSD-3-Clause", "document_header": "# header\n"}
    (folder / "cg2ls.json").write_text(json.dumps(facts))
    (folder / "LICENSE").write_text("The licence's text")
    for name in UNWANTED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not wanted")
    return hub.add("maker/small", folder)


@pytest.fixture
def ask(hub, tmp_path):
    """Runs conversions in one process, in an empty folder; returns status and text by name."""

    def run(*calls, token=None, **variables):
        environment = os.environ | {
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            environment.pop(name, None)
        environment |= variables | ({"HF_TOKEN": token} if token else {})
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        words = [sys.executable, "-c", PROGRAM, json.dumps(calls)]
        ran = subprocess.run(
            words, env=environment, cwd=work, capture_output=True, text=True, timeout=300, check=True
        )
        return json.loads(ran.stdout.splitlines()[-1])

    return run


def test_facts_licence_and_the_indexed_files_are_fetched_and_nothing_else(hub, published, ask, tmp_path):
    hub.asked.clear()
    assert ask(["maker/small"])["maker/small"][0] == 0
    model = ModelDescription.read(tmp_path / "work" / "out")
    assert (model.name, model.license, model.document_header) == ("stated", "BSD-3-Clause", "# header\n")
    assert (tmp_path / "work" / "out" / "LICENSE").read_text() == "The licence's text"
    fetched = {path.split("/resolve/")[1].split("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert {"weights-1.safetensors", "weights-2.safetensors", INDEX, "cg2ls.json", "LICENSE"} <= fetched
    assert not fetched & set(UNWANTED)


REFUSALS = {
    "maker/absent": "maker/absent is not shown by the hub (401): the name is wrong or the model private; check it, or"
    " log in with `hf auth login`.",
    "maker/private": "maker/private is not shown by the hub (401)",
    "maker/forbidden": "maker/forbidden may not be read with this account (403): ask its owner for access",
    "maker/gone": "maker/gone is neither a local folder nor a model on the hub (404): check the name.",
    "maker/gated": "maker/gated is gated: accept its conditions on its page on the hub, then log in with",
    "maker/busy": "The hub answers maker/busy with too many requests (429): wait some minutes",
    "maker/broken": "The hub cannot give maker/broken now (status 500): run the command again later.",
    "maker/lacking": "maker/lacking on the hub lacks weights-2.safetensors, which its",
    "maker/bare": "maker/bare on the hub has no weights that are read here",
    "maker/pointers": "weights-1.safetensors is a Git LFS pointer, not the file itself",
    "checkpoints/my-model": "checkpoints/my-model does not exist; it looks like a path, so the hub is not asked",
    "./my-model": "./my-model does not exist (and is not a name on the hub, which is OWNER/NAME).",
    "my-model": "my-model does not exist (and is not a name on the hub, which is OWNER/NAME).",
}


@pytest.fixture(scope="module")
def refusing(hub, published):
    """The repositories of `REFUSALS`."""
    hub.status |= {"maker/forbidden": 403, "maker/gone": 404, "maker/busy": 429, "maker/broken": 500}
    files = published.files
    hub.repositories |= {
        "maker/private": replace(published, private=True),
        "maker/gated": replace(published, gated=True),
        "maker/lacking": replace(
            published, files={k: v for k, v in files.items() if k != "weights-2.safetensors"}
        ),
        "maker/bare": replace(published, files={"config.json": files["config.json"], "model.gguf": b"GGUF"}),
        "maker/pointers": replace(
            published,
            files=files | {"weights-1.safetensors": b"version https://git-lfs.github.com/spec/v1\n"},
        ),
    }


def test_every_refusal_is_one_sentence_and_writes_nothing(refusing, ask, tmp_path):
    said = ask(*([name] for name in REFUSALS))
    for name, expected in REFUSALS.items():
        status, error = said[name]
        assert status == 1, name
        assert expected in error
        assert error.startswith("cg2-quantize: "), error
        assert error.endswith(".\n"), error
        assert error.count("\n") == 1, error
    assert list((tmp_path / "work").iterdir()) == []


def test_a_path_like_name_asks_the_hub_nothing_unless_it_is_written_as_a_name(hub, published, ask):
    hub.asked.clear()
    ask(["checkpoints/my-model"], ["./my-model"], ["my-model"], ["../small"])
    assert hub.asked == []
    assert "(401)" in ask(["hf://checkpoints/my-model"])["hf://checkpoints/my-model"][1]
    assert any("checkpoints/my-model" in path for path in hub.asked)


def test_another_users_token_is_named(refusing, ask):
    said = ask(["maker/absent"], ["maker/gated"], token="hf_" + "x" * 34)
    assert said["maker/absent"][0] == said["maker/gated"][0] == 1
    assert "HF_TOKEN is not accepted for it" in said["maker/absent"][1]
    assert "maker/gated is gated: accept its conditions on its page on the hub" in said["maker/gated"][1]


def test_an_unknown_revision_is_named(hub, published, ask):
    status, error = ask(["maker/small", "--revision", "v9"])["maker/small"]
    assert status == 1
    assert error == (
        "cg2-quantize: maker/small has no revision v9: name a commit, branch or tag that it has.\n"
    )


def test_private_and_gated_models_are_read_with_a_token(refusing, ask, tmp_path):
    said = ask(["maker/private"], ["maker/gated", "--force"], token=TOKEN)
    assert [status for status, _ in said.values()] == [0, 0]
    assert ModelDescription.read(tmp_path / "work" / "out").source.checkpoint


def test_a_renamed_repository_is_followed_and_named(hub, published, ask):
    hub.renamed["maker/old"] = "maker/small"
    status, error = ask(["maker/old"])["maker/old"]
    assert status == 0, error
    assert error.splitlines()[0] == "maker/old is called maker/small on the hub now."


def test_offline_mode_asks_nothing(hub, published, ask, tmp_path):
    hub.asked.clear()
    status, error = ask(["maker/small"], HF_HUB_OFFLINE="1")["maker/small"]
    assert (status, hub.asked) == (1, [])
    assert error == (
        "cg2-quantize: maker/small is not in the hub's local cache, and HF_HUB_OFFLINE forbids asking the hub.\n"
    )
    assert list((tmp_path / "work").iterdir()) == []
