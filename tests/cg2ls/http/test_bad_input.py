"""Requests that are wrong, huge, slow or abandoned: one clear answer, and other requests are not affected."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from cg2ls.http import app
from cg2ls.http.access import RequestRefusedError

if TYPE_CHECKING:
    from tests.cg2ls.http.conftest import HttpServer

QUICK = {"input_prefix": "quick\na", "prompt": " = "}
ENDLESS = {"input_prefix": "a", "prompt": " = "}
MEGABYTES = 1 << 20


def assert_alive(server: HttpServer) -> None:
    assert server.post("/infill", QUICK).json["content"] == "x"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is not JSON."),
        (b"{", "The body is not JSON."),
        (b"\xff\xfe", "The body is not JSON."),
        (b"[" * 100_000, "The body is not JSON."),
        (b"[]", "The body must be a JSON object."),
        (b"null", "The body must be a JSON object."),
        (b'{"input_prefix": 1}', "`input_prefix` must be a string."),
        (b'{"n_predict": "many"}', "`n_predict` must be a whole number from -1 to 1000000."),
        (b'{"n_predict": true}', "`n_predict` must be a whole number from -1 to 1000000."),
        (b'{"n_predict": 1e400}', "`n_predict` must be a whole number from -1 to 1000000."),
        (b'{"t_max_predict_ms": NaN}', "`t_max_predict_ms` must be a number."),
        (b'{"stream": "yes"}', "`stream` must be true or false."),
        (b'{"input_extra": "text"}', "`input_extra` must be a list of objects with `filename` and `text`."),
        (b'{"input_extra": [{"text": 1}]}', "`text` must be a string."),
        (b'{"stop": [1]}', "`stop` must be a string or a list of strings."),
        (b'{"n_cmpl": 99}', "`n_cmpl` must be a whole number from 1 to 8."),
    ],
)
def test_a_wrong_body_is_answered_with_one_sentence(slow_http: HttpServer, body: bytes, said: str) -> None:
    headers = {"Content-Type": "application/json", **slow_http.authorization}
    reply = slow_http.ask("POST", "/infill", body, headers)
    assert (reply.status, reply.message) == (400, said)
    assert_alive(slow_http)


def test_unknown_members_are_ignored(slow_http: HttpServer) -> None:
    odd = {
        "mirostat": 2,
        "grammar": None,
        "lora": [{"id": 0}],
        "id_slot": -1,
        "": {},
        "logit_bias": [[1, False]],
    }
    assert slow_http.post("/infill", {**QUICK, **odd}).json["content"] == "x"


def test_half_a_character_is_no_error(slow_http: HttpServer) -> None:
    body = b'{"input_prefix": "quick\\n\\ud83d s = 1\\na", "prompt": " = ", "input_suffix": "\\udc00"}'
    reply = slow_http.ask(
        "POST", "/infill", body, {"Content-Type": "application/json", **slow_http.authorization}
    )
    assert reply.status == 200


@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "GET", 404), ("/infill", "GET", 405)])
def test_a_path_that_is_not_there_is_named(
    slow_http: HttpServer, path: str, method: str, status: int
) -> None:
    reply = slow_http.ask(method, path, headers=slow_http.authorization)
    assert reply.status == status
    assert path in reply.message


def head(server: HttpServer, length: str) -> bytes:
    return (
        f"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\n{length}\r\n\r\n"
    ).encode()


def test_a_body_of_100_mb_is_refused_before_it_is_read(slow_http: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", slow_http.port), 60) as connection:
        connection.sendall(head(slow_http, f"Content-Length: {100 * MEGABYTES}"))
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert_alive(slow_http)


def test_a_body_of_100_mb_in_chunks_is_refused_when_it_is_too_large(slow_http: HttpServer) -> None:
    chunk = b"100000\r\n" + b" " * MEGABYTES + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", slow_http.port), 60) as connection:
        connection.sendall(head(slow_http, "Transfer-Encoding: chunked"))
        try:
            while sent < 100:
                connection.sendall(chunk)
                sent += 1
        except ConnectionError:
            pass
        answer = b""
        try:
            answer = connection.recv(65536)
        except ConnectionError:  # the system drops the answer with the connection
            assert sent < 100
    assert answer.startswith(b"HTTP/1.1 413") or not answer
    assert_alive(slow_http)


def test_a_body_that_does_not_arrive_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_S", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def read() -> bytes:
        return await app.read_body(Request({"type": "http", "headers": []}, receive))

    with pytest.raises(RequestRefusedError) as refused:
        asyncio.run(read())
    assert refused.value.status == 408


def test_generation_ends_when_the_client_hangs_up(fresh_http: HttpServer) -> None:
    connection = fresh_http.send("/infill", ENDLESS)
    fresh_http.wait_for("decoding")
    connection.close()
    fresh_http.wait_for("decoding stopped")
    assert_alive(fresh_http)
    assert 'status="499"} 1' in fresh_http.get("/metrics").body.decode()


def test_a_request_that_still_waits_is_given_up_when_its_client_hangs_up(fresh_http: HttpServer) -> None:
    first = fresh_http.send("/infill", ENDLESS)
    fresh_http.wait_for("decoding")
    fresh_http.send("/infill", {**ENDLESS, "input_prefix": "b"}).close()
    time.sleep(0.2)
    first.close()
    fresh_http.wait_for("decoding stopped")
    assert_alive(fresh_http)
    assert [line for line in fresh_http.lines if line == "decoding"] == ["decoding"]


def test_client_that_never_reads_delays_no_other(slow_http: HttpServer) -> None:
    deaf = [slow_http.send("/v1/completions", {"prompt": "quick\na = ", "stream": True}) for _ in range(20)]
    assert_alive(slow_http)
    for connection in deaf:
        connection.close()


def test_two_clients_at_once_get_their_own_answers(slow_http: HttpServer) -> None:
    texts = {"quick\na = ": "x", "quick, long\nb = ": "width * height"}

    def ask(prompt: str) -> tuple[str, str]:
        return prompt, slow_http.post("/v1/completions", {"prompt": prompt}).json["choices"][0]["text"]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, list(texts) * 8))
    assert {(prompt, text) for prompt, text in found} == set(texts.items())


def test_an_engine_failure_affects_only_its_request(slow_http: HttpServer) -> None:
    reply = slow_http.post("/infill", {"input_prefix": "broken\na", "prompt": " = "})
    assert reply.status == 500
    assert "the user's own code" not in reply.body.decode()
    slow_http.wait_for("is ready")
    assert_alive(slow_http)


def test_while_the_model_loads_clients_get_a_retry_message(
    serve_http: Callable[..., HttpServer],
) -> None:
    server = serve_http("-m", "tests.cg2ls.http.slow_http_server", 3)
    for reply in (server.post("/infill", QUICK), server.ask("GET", "/health")):
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert "loading" in reply.message
    server.wait_for("is ready")
    assert_alive(server)


def test_the_process_ends_on_request_during_an_answer(fresh_http: HttpServer) -> None:
    with fresh_http.send("/infill", ENDLESS):
        fresh_http.wait_for("decoding")
        assert fresh_http.end() == 0


def test_an_error_is_json_that_both_kinds_of_clients_read(slow_http: HttpServer) -> None:
    error = json.loads(slow_http.post("/v1/completions", {"prompt": [1, 2]}).body)["error"]
    assert error == {
        "code": 400,
        "message": "`prompt` must be a string.",
        "type": "invalid_request_error",
        "param": None,
    }
