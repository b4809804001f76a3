"""A fake Hugging Face hub on this machine: the requests for downloading and publishing models.

Its interface follows the requests of huggingface_hub; it was not compared with the hub itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "hf_" + "t" * 34
"""The one token that is accepted; it may write in `maker/`."""

LFS_SUFFIXES = (".data", ".safetensors", ".bin", ".onnx", ".png")


@dataclass
class StoredRepository:
    """A repository: its files, and which requests are refused."""

    files: dict[str, bytes] = field(default_factory=dict)
    private: bool = False
    gated: bool = False
    license: str = ""
    commits: list[str] = field(default_factory=list)

    @property
    def commit(self) -> str:
        listing = "".join(f"{name} {hashlib.sha1(data).hexdigest()}\n" for name, data in self.files.items())
        return hashlib.sha1(listing.encode()).hexdigest()


class StandIn(ThreadingHTTPServer):
    """The hub; `asked` has every request, `ranges` the ranges, `cut` the positions at which a file breaks off once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, StoredRepository] = {}
        self.renamed: dict[str, str] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.ranges: list[str] = []
        self.cut: dict[str, int] = {}
        self.status: dict[str, int] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, name: str, folder: Path, **about: object) -> StoredRepository:
        """Publish the files of a folder."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.repositories[name] = StoredRepository(files, **about)  # type: ignore[arg-type]
        return self.repositories[name]


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, *_: object) -> None:
        pass

    @property
    def has_token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0].strip("/").split("/")
        name = "/".join(path[2:4]) if path[:2] == ["api", "models"] else "/".join(path[:2])
        if (new := self.server.renamed.get(name)) is not None:
            return self.reply(307, headers={"Location": self.path.replace(name, new)})
        if (status := self.server.status.get(name)) is not None:
            return self.reply(status)
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not self.has_token):
            return self.reply(404 if self.has_token else 401, headers={"X-Error-Code": "RepoNotFound"})
        if path[:2] == ["api", "models"]:
            return self.describe(name, repository, path[4:])
        if path[2] != "resolve" or "/".join(path[4:]) not in repository.files:
            return self.reply(404, headers={"X-Error-Code": "EntryNotFound"})
        if repository.gated and not self.has_token:
            status = 403 if "Authorization" in self.headers else 401
            return self.reply(status, headers={"X-Error-Code": "GatedRepo"})
        return self.send_file("/".join(path[4:]), repository)

    def describe(self, name: str, repository: StoredRepository, rest: list[str]) -> None:
        if rest[:1] == ["revision"] and rest[1] not in ("main", "v1", repository.commit):
            return self.reply(404, headers={"X-Error-Code": "RevisionNotFound"})
        entries = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            | ({"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}}
               if path.endswith(LFS_SUFFIXES) else {})
            for path, data in repository.files.items()
        ]  # fmt: skip
        if rest[:1] == ["tree"]:
            return self.reply(200, entries)
        siblings = [
            {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]} for entry in entries
        ]
        about = {"id": name, "sha": repository.commit, "siblings": siblings, "private": repository.private}
        if repository.license:
            about["cardData"] = {"license": repository.license}
        return self.reply(200, about)

    def send_file(self, path: str, repository: StoredRepository) -> None:
        data, wanted = repository.files[path], self.headers.get("Range")
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": repository.commit,
            "Accept-Ranges": "bytes",
        }
        if wanted is None or self.command == "HEAD":
            cut = self.server.cut.pop(path, None) if self.command == "GET" else None
            return self.reply(200, data, headers, cut=cut)
        self.server.ranges.append(f"{path} {wanted}")
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.reply(206, data[start:], headers)

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0].strip("/").split("/")
        if path == ["api", "validate-yaml"]:
            return self.reply(200, {"errors": [], "warnings": []})
        if not self.has_token:
            return self.reply(401)
        if path == ["api", "repos", "create"]:
            return self.create(json.loads(body))
        name = "/".join(path[2:4]) if path[0] == "api" else "/".join(path[:2]).removesuffix(".git")
        repository = self.server.repositories[name]
        if path[4:5] == ["preupload"]:
            files = json.loads(body)["files"]
            answer = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
            return self.reply(200, {"files": answer})
        if path[2:] == ["info", "lfs", "objects", "batch"]:
            return self.reply(200, {"objects": [self.object(one) for one in json.loads(body)["objects"]]})
        return self.commit(name, repository, [json.loads(line) for line in body.splitlines()])

    def create(self, wanted: dict[str, object]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        if wanted["organization"] != "maker":
            return self.reply(403)
        if name in self.server.repositories:
            return self.reply(409, {"url": f"{self.server.address}/{name}"})
        self.server.repositories[name] = StoredRepository(private=wanted.get("visibility") == "private")
        return self.reply(200, {"url": f"{self.server.address}/{name}"})

    def object(self, one: dict[str, object]) -> dict[str, object]:
        if one["oid"] in self.server.objects:
            return one
        return one | {"actions": {"upload": {"href": f"{self.server.address}/upload/{one['oid']}"}}}

    def do_PUT(self) -> None:
        self.server.asked.append(f"PUT {self.path}")
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if hashlib.sha256(data).hexdigest() != self.path.rsplit("/", 1)[-1]:
            return self.reply(400)
        self.server.objects[hashlib.sha256(data).hexdigest()] = data
        return self.reply(200)

    def commit(self, name: str, repository: StoredRepository, lines: list[dict[str, object]]) -> None:
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            assert isinstance(value, dict)
            if line["key"] == "header":
                repository.commits.append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.server.objects[value["oid"]]
        repository.files = files
        address = f"{self.server.address}/{name}/commit/{repository.commit}"
        return self.reply(200, {"commitUrl": address, "commitOid": repository.commit})

    def reply(
        self,
        status: int,
        body: object = b"",
        headers: dict[str, str] | None = None,
        *,
        cut: int | None = None,
    ) -> None:
        kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in ((headers or {}) | kind | {"Content-Length": str(len(data))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:cut])
            self.close_connection = cut is not None


def run_models(
    hub: StandIn, home: Path, *arguments: object, token: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `cg2ls models ARGUMENTS` of a user whose home is `home`, against the fake hub."""
    environment = os.environ | {
        "CG2LS_HOME": str(home / "cg2ls"),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": hub.address,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_XET"):
        environment.pop(name, None)
    environment |= variables | ({"HF_TOKEN": token} if token else {})
    words = [sys.executable, "-m", "cg2ls", "models", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300, check=False)
