"""Checkpoints from a folder, from .bin files, and from a hub that listens on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.published_tokenizers import build_codegen2_tokenizer
from cg2_quantize.checkpoint.sources import locate_checkpoint
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2ls.files import sha256_of
from cg2ls.models.codegen2 import Checkpoint, CheckpointError, CodeGenConfig
from cg2ls.models.codegen2.files import SafetensorsError
from cg2ls.models.folder import ModelDescription

CHUNK = 10 << 20
"""Bytes that the hub's library writes to disk at a time; an incomplete block is requested again."""

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def pickled(checkpoint, tmp_path):
    """The random checkpoint with its weights in two .bin files, as PyTorch wrote them."""
    folder = tmp_path / "pickled"
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    source = Checkpoint.open(checkpoint)
    state = {name: torch.from_numpy(source.tensor(name)) for name in source.names()}
    state["transformer.h.0.attn.causal_mask"] = torch.ones(64, 64, dtype=torch.bool)
    names = sorted(state)
    for number, part in enumerate((names[::2], names[1::2]), 1):
        torch.save({name: state[name] for name in part}, folder / f"pytorch_model-0000{number}-of-00002.bin")
    return folder


def test_a_folder_is_used_directly(checkpoint):
    assert locate_checkpoint(str(checkpoint)) == checkpoint


def test_bin_files_give_the_same_model_as_safetensors(pickled, checkpoint, folders, tmp_path):
    convert(locate_checkpoint(str(pickled)), tmp_path / "model", ConversionOptions(precision="int8"))
    files = {
        name: ModelDescription.read(place).files
        for name, place in (("a", folders["int8"]), ("b", tmp_path / "model"))
    }
    assert files["a"] == files["b"]
    assert sorted(path.name for path in pickled.iterdir() if path.suffix == ".safetensors") == []


def test_a_bin_file_that_would_run_code_is_refused(pickled, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"lm_head.bias": Evil()}, pickled / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(QuantizeError, match="cannot be read as weights alone"):
        convert(pickled, tmp_path / "model")
    assert not (tmp_path / "ran").exists()


def test_a_damaged_bin_file_is_named(pickled, tmp_path):
    (pickled / "pytorch_model-00002-of-00002.bin").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(QuantizeError, match=r"pytorch_model-00002.* is cut short"):
        convert(pickled, tmp_path / "model")


def test_a_checkpoint_without_a_tokenizer_gets_the_published_one(tmp_path):
    shape = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, rotary_dim=16, n_positions=32, vocab_size=51200, n_inner=64
    )
    write_random_checkpoint(tmp_path / "bare", shape)
    (tmp_path / "bare" / "tokenizer.json").unlink()
    convert(tmp_path / "bare", tmp_path / "model")
    made = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    assert made == json.loads(build_codegen2_tokenizer().to_str())
    assert ModelDescription.read(tmp_path / "model").name == "bare"


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's interface that a download uses."""

    asked: list[str] = []  # noqa: RUF012  shared by the handlers of one server on purpose
    ranges: list[str] = []  # noqa: RUF012
    cut: dict[str, int] = {}  # noqa: RUF012  bytes after which a file breaks off when requested from its start

    def __init__(self, folder, *args):
        self.folder = folder
        super().__init__(*args)

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.asked.append(self.path)
        names = sorted(path.name for path in self.folder.iterdir())
        names += ["onnx/model.safetensors", "checkpoint-100/model.safetensors", "pytorch_model.bin"]
        if self.path.startswith("/api/models/maker/small/tree/"):
            entries = [
                {"type": "file", "path": name, "size": self.size(name), "oid": "0" * 40} for name in names
            ]
            return self.answer(json.dumps(entries).encode(), {"Content-Type": "application/json"})
        if self.path.startswith("/api/models/maker/small"):
            about = {"id": "maker/small", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            return self.answer(json.dumps(about).encode(), {"Content-Type": "application/json"})
        path = self.folder / self.path.split("?")[0].rsplit("/", 1)[-1]
        if not self.path.startswith("/maker/small/resolve/") or not path.is_file():
            self.send_error(404)
            return None
        return self.file(path)

    def size(self, name):
        return (self.folder / name).stat().st_size if (self.folder / name).exists() else 1

    def file(self, path):
        headers = {"ETag": f'"{sha256_of(path)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        data, wanted = path.read_bytes(), self.headers.get("Range")
        if wanted is None:
            return self.answer(data, headers, end=self.cut.get(path.name))
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.answer(data[start:], headers, status=206)

    def answer(self, data, headers, *, status=200, end=None):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:end])
            self.close_connection = end is not None


@pytest.fixture
def serve():
    """Serves a folder as maker/small and returns the address."""
    servers = []

    def start(folder, **cut):
        Hub.asked, Hub.ranges, Hub.cut = [], [], cut
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder)))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture
def hub(checkpoint, serve):
    """Serves the random checkpoint, with a script that must not be downloaded."""
    folder = checkpoint.parent / "hub"
    if not folder.exists():
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("cg2ls.json"))
        (folder / "modeling_codegen.py").write_text("raise SystemExit('remote code ran')")
        (folder / "README.md").write_text("---\nlanguage: code\nlicense: apache-2.0\n---\n# Small\n")
        (folder / "LICENSE").write_text("Apache License")
    return serve(folder)


def command(tmp_path, endpoint, *arguments, **variables):
    environment = {
        **os.environ,
        **variables,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
    }
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    program = "import sys; from cg2_quantize.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", program, "maker/small", "--proof", "none", "--untrained", *arguments]
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=600, cwd=tmp_path)


def test_a_name_on_the_hub_is_downloaded_once_and_pinned(hub, tmp_path, folders):
    ran = command(tmp_path, hub, "-o", "first")
    assert ran.returncode == 0, ran.stderr
    model = ModelDescription.read(tmp_path / "first")
    assert (model.name, model.source.checkpoint, model.source.revision) == ("small", "maker/small", COMMIT)
    assert model.files["model.onnx.data"] == ModelDescription.read(folders["int8"]).files["model.onnx.data"]
    assert (model.license, (tmp_path / "first" / "LICENSE").read_text()) == ("Apache-2.0", "Apache License")
    unwanted = ("modeling_codegen.py", "onnx/", "checkpoint-100/", "pytorch_model.bin")
    assert not any(name in path for path in Hub.asked for name in unwanted), (
        "neither code nor what is not needed"
    )

    before = len(Hub.asked)
    ran = command(tmp_path, hub, "-o", "second", "--revision", COMMIT)
    assert ran.returncode == 0, ran.stderr
    assert len(Hub.asked) == before, "a pinned commit in the cache needs no network"


def test_cached_files_need_no_network(hub, tmp_path):
    assert command(tmp_path, hub, "-o", "first").returncode == 0
    before = len(Hub.asked)
    ran = command(tmp_path, hub, "-o", "second", HF_HUB_OFFLINE="1")
    assert ran.returncode == 0, ran.stderr
    assert len(Hub.asked) == before
    assert ModelDescription.read(tmp_path / "second").source.revision == COMMIT


def test_an_interrupted_download_is_resumed(serve, tmp_path):
    wide = CodeGenConfig(
        n_layer=2, n_embd=512, n_head=8, rotary_dim=16, n_positions=64, vocab_size=384, n_inner=2048
    )
    write_random_checkpoint(tmp_path / "wide", wide)
    address = serve(tmp_path / "wide", **{"model.safetensors": CHUNK + 1000})
    ran = command(tmp_path, address, "-o", "out")
    assert ran.returncode == 0, ran.stderr
    assert Hub.ranges == [f"bytes={CHUNK}-"], "only the rest is requested, not the whole file again"
    expected = sha256_of(tmp_path / "wide" / "model.safetensors")
    assert ModelDescription.read(tmp_path / "out").source.sha256 == expected


def test_a_hub_that_does_not_answer_is_reported_in_one_sentence(tmp_path):
    ran = command(tmp_path, "http://127.0.0.1:9", "-o", "out")
    assert ran.returncode == 1
    assert ran.stderr.startswith("cg2-quantize: maker/small cannot be downloaded")
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("checkpoints/my-model", "does not exist; it looks like a path, so the hub is not asked"),
        ("here/my-model", r"does not exist; it looks like a path.*hf://here/my-model"),
        ("./my-model", r"does not exist \(and is not a name on the hub"),
        ("../my-model", r"does not exist \(and is not a name on the hub"),
        ("my-model", r"does not exist \(and is not a name on the hub, which is OWNER/NAME"),
        ("a/b/c", "does not exist"),
    ],
)
def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(
        "cg2_quantize.checkpoint.sources.download_checkpoint",
        lambda *arguments: pytest.fail("the hub was contacted"),
    )
    with pytest.raises(QuantizeError, match=says):
        locate_checkpoint(name)


def test_a_snapshot_of_the_hubs_cache_knows_its_name_and_commit(checkpoint, tmp_path):
    repository = tmp_path / "models--maker--small"
    snapshot = repository / "snapshots" / COMMIT
    shutil.copytree(checkpoint, snapshot, ignore=shutil.ignore_patterns("cg2ls.json"))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    assert locate_checkpoint(str(repository)) == snapshot
    convert(snapshot, tmp_path / "model", ConversionOptions(untrained=True))
    model = ModelDescription.read(tmp_path / "model")
    assert (model.name, model.source.checkpoint, model.source.revision) == ("small", "maker/small", COMMIT)


def test_a_source_that_is_neither_folder_nor_name_is_refused(tmp_path):
    with pytest.raises(QuantizeError, match="leave it out for a folder"):
        locate_checkpoint(str(tmp_path), revision="main")


@pytest.fixture
def sharded(checkpoint, tmp_path):
    """The random checkpoint in three shards."""
    from safetensors.numpy import save_file

    source = Checkpoint.open(checkpoint)
    folder = shutil.copytree(checkpoint, tmp_path / "random", ignore=shutil.ignore_patterns("*.safetensors"))
    names = list(source.names())
    index = {}
    for number in range(3):
        part = {name: np.ascontiguousarray(source.tensor(name)) for name in names[number::3]}
        save_file(part, str(folder / f"model-{number}.safetensors"))
        index |= dict.fromkeys(part, f"model-{number}.safetensors")
    Path(folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def test_shards_are_read_like_one_file(sharded, folders, tmp_path):
    convert(sharded, tmp_path / "model")
    found, expected = ModelDescription.read(tmp_path / "model"), ModelDescription.read(folders["int8"])
    assert found.files == expected.files


def test_a_truncated_or_missing_shard_is_named(sharded, tmp_path):
    shard = sharded / "model-1.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(SafetensorsError, match=r"model-1\.safetensors is cut short"):
        convert(sharded, tmp_path / "model")
    shard.unlink()
    with pytest.raises(CheckpointError, match=r"model-1\.safetensors is missing"):
        convert(sharded, tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["random"]


def test_a_tokenizer_that_does_not_fit_names_the_folder_and_nothing_temporary(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(
        QuantizeError, match=r"copy has no tokenizer\.json\) has 51200 tokens, but the model has 384"
    ):
        convert(copy, tmp_path / "model")
