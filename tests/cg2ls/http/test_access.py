from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cg2ls.http.access import Guard, RequestRefusedError, TokenError, host_of, read_token

if TYPE_CHECKING:
    from tests.cg2ls.http.conftest import HttpServer

JSON = {"content-type": "application/json"}
LOCAL = {"host": "127.0.0.1:8012", "authorization": "Bearer secret", **JSON}


async def nothing(*_: object) -> None:
    """Replaces the application that the guard protects."""


@pytest.mark.parametrize("host", ["127.0.0.1:8012", "localhost:8012", "localhost", "LOCALHOST:1", "[::1]:80"])
def test_names_of_this_machine_are_accepted(host: str) -> None:
    Guard(nothing, "secret").check("POST", "/infill", {**LOCAL, "host": host})


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"host": "evil.example:8012"}, 403),
        ({"host": "127.0.0.1.evil.example:8012"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "192.168.1.2:8012"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://127.0.0.1:8012"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer secret2"}, 401),
        ({"authorization": "Basic secret"}, 401),
        ({"authorization": "Bearer s\u00e9cret"}, 401),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=application/json"}, 415),
        ({"content-type": ""}, 415),
    ],
)
def test_requests_of_web_pages_and_other_users_are_refused(changed: dict[str, str], status: int) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        Guard(nothing, "secret").check("POST", "/infill", {**LOCAL, **changed})
    assert refused.value.status == status


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_known_by_its_type_alone(kind: str) -> None:
    Guard(nothing, "secret").check("POST", "/infill", {**LOCAL, "content-type": kind})


def test_only_health_is_open_to_programs_without_the_token() -> None:
    guard = Guard(nothing, "secret")
    guard.check("GET", "/health", {"host": "localhost"})
    for path in ("/metrics", "/v1/models", "/health/", "/"):
        with pytest.raises(RequestRefusedError):
            guard.check("GET", path, {"host": "localhost"})


def test_without_a_token_web_pages_are_still_refused() -> None:
    guard = Guard(nothing, "")
    guard.check("POST", "/infill", {"host": "localhost", **JSON})
    with pytest.raises(RequestRefusedError):
        guard.check("POST", "/infill", {"host": "localhost", "origin": "http://localhost", **JSON})


@pytest.mark.parametrize(
    ("header", "name"), [("a:1", "a"), ("a", "a"), ("[::1]:2", "[::1]"), ("[::1]", "[::1]")]
)
def test_the_port_is_no_part_of_the_host(header: str, name: str) -> None:
    assert host_of(header) == name


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "http-token"
    token = read_token(path)
    assert len(token) >= 32
    assert read_token(path) == token
    if os.name != "nt":
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")
def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "http-token"
    read_token(path)
    path.chmod(0o640)
    with pytest.raises(TokenError, match="Others can read"):
        read_token(path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"two words of a token\x00 and more"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "http-token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TokenError, match="holds no token"):
        read_token(path)


def test_a_token_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(TokenError, match="cannot be used"):
        read_token(tmp_path)


def test_a_process_refuses_strangers_and_answers_with_the_token(slow_http: HttpServer) -> None:
    body = b'{"input_prefix": "quick", "prompt": " = "}'
    asked = {
        "no token": (JSON, 401),
        "wrong token": (JSON | {"authorization": "Bearer " + "x" * 43}, 401),
        "a page": (JSON | {"origin": "http://evil.example"} | slow_http.authorization, 403),
        "a name of a page": (JSON | {"host": "evil.example"} | slow_http.authorization, 403),
        "a form": ({"content-type": "text/plain"} | slow_http.authorization, 415),
        "ours": (JSON | slow_http.authorization, 200),
    }
    for name, (headers, status) in asked.items():
        reply = slow_http.ask("POST", "/infill", body, headers)
        assert reply.status == status, name
        assert "access-control-allow-origin" not in reply.headers
        assert status == 200 or reply.message.endswith("."), name
    assert slow_http.ask("OPTIONS", "/infill", headers={"Origin": "http://evil.example"}).status == 403
    assert slow_http.ask("GET", "/health").json == {"status": "ok"}


def test_process_does_not_reveal_the_token(slow_http: HttpServer) -> None:
    said = [slow_http.ask("GET", path).body for path in ("/metrics", "/health", "/")]
    said.append(slow_http.get("/metrics").body)
    said.append("\n".join(slow_http.lines).encode())
    assert slow_http.token
    assert not [each for each in said if slow_http.token.encode() in each]
