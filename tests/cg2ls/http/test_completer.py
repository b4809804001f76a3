from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.completion.results import Completion
from cg2ls.http.completer import RootError, check_roots, limit_options
from cg2ls.http.insertion import insertable
from cg2ls.http.query import Query

if TYPE_CHECKING:
    from tests.cg2ls.http.conftest import HttpServer

NAMES = "import math\n\n\ndef frobnicate_zeta_count(width, height):\n    return frobnicate_zeta(width) * height\n\n\n"
CALL = "def run(width, height):\n    total = frobnicate_zeta_count(width, height)\n    return total\n"
ASKED = {"input_prefix": "import math\n\n\ndef main(width, height):\n", "prompt": "    total = frobnicate_"}
EXPECTED = "zeta_count(width, height)"


@pytest.mark.parametrize(
    ("text", "replaced", "after", "inserted"),
    [
        ("a, b", 0, ")", "a, b"),
        ("a, b):", 1, ")\n", "a, b"),
        ("a, f(b)):", 1, ")\n", "a, f(b)"),
        ("x'] = 1", 2, "']\n", "x'"),
        ("text' + y", 1, "'\n", "text"),
    ],
)
def test_only_insertable_text_is_returned(text: str, replaced: int, after: str, inserted: str) -> None:
    completion = Completion(
        text=text, replace_end_offset=2 + replaced, logprob=0.0, tokens=1, latency_ms=0.0, reason="shown"
    )
    assert insertable(completion, Query(before="f(", after=after)) == inserted


@pytest.mark.parametrize(
    ("query", "limits"),
    [
        (Query(before=""), (48, 128, 10_000)),
        (Query(before="", max_tokens=64, max_ms=1500.0), (48, 64, 1500)),
        (Query(before="", max_tokens=8), (8, 8, 10_000)),
        (Query(before="", max_tokens=9_999, max_ms=99_999.0), (48, 128, 10_000)),
    ],
)
def test_a_client_may_narrow_the_limits_and_not_widen_them(
    query: Query, limits: tuple[int, int, float]
) -> None:
    found = limit_options(CompletionOptions(), query)
    assert (found.line_tokens, found.block_tokens, found.max_ms) == limits


def test_roots_are_existing_folders_of_one_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "project").mkdir()
    assert check_roots([tmp_path / "project"]) == [(tmp_path / "project").as_uri()]
    for folder, said in (
        (tmp_path / "none", "is not a folder"),
        (tmp_path, "too large"),
        (Path("/"), "too large"),
    ):
        with pytest.raises(RootError, match=said):
            check_roots([folder])


def test_the_completion_after_an_accepted_one_is_prepared(slow_http: HttpServer) -> None:
    asked = {"input_prefix": "quick, long\na = 1\n", "prompt": "b = "}
    assert slow_http.post("/infill", asked).json["content"] == "width * height"
    slow_http.wait_for("asked", 2)
    time.sleep(0.2)  # the prepared one ends
    before = slow_http.lines.count("asked")
    accepted = {**asked, "prompt": "b = width * height\n"}
    assert slow_http.post("/infill", accepted).status == 200
    assert slow_http.lines.count("asked") == before


@pytest.mark.parametrize("more", [{"stop": ["*"]}, {"n_cmpl": 2}])
def test_nothing_is_prepared_for_text_that_a_client_does_not_insert_whole(
    slow_http: HttpServer, more: dict[str, object]
) -> None:
    asked = {"input_prefix": f"quick, long, {more}\na = 1\n", "prompt": "b = ", **more}
    assert slow_http.post("/infill", asked).status == 200
    time.sleep(0.5)
    assert slow_http.lines.count("asked") == 1


def ask(server: HttpServer, **more: object) -> str:
    reply = server.post("/infill", {**ASKED, **more})
    assert reply.status == 200, reply.body
    return str(reply.json["content"])


def test_extra_text_of_a_request_is_used_for_that_request(serve_http: Callable[..., HttpServer]) -> None:
    server = serve_http("-m", "cg2ls", "serve", "--http", 0)
    server.wait_for("is ready")
    assert ask(server) == ""
    assert ask(server, input_extra=[{"filename": "shapes.py", "text": NAMES + CALL}]) == EXPECTED
    assert ask(server, input_extra=[{"filename": "shapes.rs", "text": NAMES + CALL}]) == ""
    assert ask(server) == ""


def test_memory_follows_the_folder_of_root_and_no_other(
    serve_http: Callable[..., HttpServer], tmp_path: Path
) -> None:
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shapes.py").write_text((NAMES + CALL).replace("zeta", name))
    server = serve_http("-m", "cg2ls", "serve", "--http", 0, "--root", tmp_path / "inside")
    server.wait_for("Memory of")
    assert ask(server) == EXPECTED.replace("zeta", "inside")
    elsewhere = {"filename": str(tmp_path / "outside" / "main.py"), "prompt": "    total = frobnicate_out"}
    assert "outside" not in "frobnicate_out" + ask(server, **elsewhere)


def test_an_editor_and_http_clients_share_one_model(
    serve_http: Callable[..., HttpServer], lsp_lines: Callable[[HttpServer], Callable[..., object]]
) -> None:
    server = serve_http(
        *("-m", "cg2ls", "serve", "--stdio", "--http", 0), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    request = lsp_lines(server)
    request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    request("initialized", {}, identity=None)
    while server.ask("GET", "/health").status != 200:
        pass
    assert server.post("/infill", ASKED).status == 200
    models = json.loads(server.get("/v1/models").body)["data"]
    assert request("cg2ls/status", {})["model"] == models[0]["id"]  # type: ignore[index]
    request("shutdown", None)
    request("exit", None, identity=None)
    assert server.process.wait(60) == 0
