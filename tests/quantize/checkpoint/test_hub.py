"""Answers of the hub, each reported in one sentence, and the files that are requested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cg2_quantize.checkpoint.sources import find_origin, list_weight_files, read_card_license
from cg2_quantize.errors import QuantizeError

ANSWERS = {
    "private": (401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}),
    "forbidden": (403, {}),
    "absent": (404, {"X-Error-Code": "RepoNotFound"}),
    "gated": (403, {"X-Error-Code": "GatedRepo"}),
    "revised": (404, {"X-Error-Code": "RevisionNotFound"}),
    "refused": (418, {}),
}

SAYS = {
    "private": "is not shown by the hub (401): the name is wrong or the model private; check it, or log in with",
    "forbidden": "may not be read with this account (403)",
    "absent": "is neither a local folder nor a model on the hub (404): check the name.",
    "gated": "is gated: accept its conditions on its page on the hub, then log in with `hf auth login`.",
    "revised": "has no revision v9: name a commit, branch or tag that it has.",
    "refused": "The hub cannot give maker/refused now (status 418)",
    "old": "maker/old is called maker/new on the hub now.",
    "bare": "has no weights that are read here (safetensors or .bin), only model.gguf.",
}


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        name = parts[3] if len(parts) > 3 else ""
        if name == "old":
            return self.answer(307, {"Location": self.path.replace("maker/old", "maker/new")})
        if name in ("new", "bare"):
            files = ["config.json", "model.safetensors"] if name == "new" else ["config.json", "model.gguf"]
            about = {"id": f"maker/{name}", "sha": "0" * 40, "siblings": [{"rfilename": f} for f in files]}
            return self.answer(200, {"Content-Type": "application/json"}, json.dumps(about).encode())
        return self.answer(*ANSWERS.get(name, (404, {})))

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


PROGRAM = """
import json, sys
from contextlib import redirect_stderr
from io import StringIO
from cg2_quantize.cli import main
said = {}
for name in sys.argv[1:]:
    with redirect_stderr(StringIO()) as error:
        status = main([f"maker/{name}", "-o", "out", "--revision", "v9"])
    said[name] = [status, error.getvalue()]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Exit status and text for each name, from one process against a hub on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = tmp_path_factory.mktemp("hub")
    environment = os.environ | {
        "HF_HOME": str(place / "hf"),
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment.pop("HF_TOKEN", None)
    words = [sys.executable, "-c", PROGRAM, *SAYS]
    ran = subprocess.run(
        words, capture_output=True, text=True, env=environment, timeout=120, cwd=place, check=True
    )
    server.shutdown()
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", SAYS)
def test_every_answer_is_a_sentence(said, name):
    status, error = said[name]
    assert status == 1
    assert SAYS[name] in error
    assert error.count("\n") == (2 if name == "old" else 1), "the new name is printed before the result"
    assert "Client Error" not in error


def test_offline_mode_is_reported(tmp_path):
    environment = os.environ | {
        "HF_HOME": str(tmp_path),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    words = [sys.executable, "-c", PROGRAM, "small"]
    ran = subprocess.run(
        words, capture_output=True, text=True, env=environment, timeout=120, cwd=tmp_path, check=True
    )
    status, error = json.loads(ran.stdout.splitlines()[-1])["small"]
    assert status == 1
    assert "maker/small is not in the hub's local cache, and HF_HUB_OFFLINE forbids asking the hub." in error


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
