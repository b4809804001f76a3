"""llama.cpp's server: a fake of it by real HTTP, as a program and in this process."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from cg2_runtimes import llamacpp_server
from cg2_runtimes.llamacpp_server import LlamaCppServer, start_program, start_server
from cg2ls.errors import EvaluationError
from tests.quantize.runtimes.fake_llama_server import FIRST_MS, TOKEN_MS, Handler

FAKE = Path(__file__).with_name("fake_llama_server.py")


@pytest.fixture
def server():
    Handler.cached = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        with closing(LlamaCppServer(f"127.0.0.1:{listener.server_port}", "9")) as client:
            yield client
        listener.shutdown()


@pytest.fixture
def program(tmp_path):
    """A program that takes llama-server's options."""
    path = tmp_path / "llama-server"
    path.write_text(f"#!{sys.executable}\n{FAKE.read_text()}\nmain()\n")
    path.chmod(0o700)
    return path


def ask(server, *request, by="generate"):
    tokens = []
    getattr(server, by)(*request, tokens.append)
    return tokens


def sums(prompt, tokens):
    known = list(prompt)
    for _ in range(tokens):
        known.append(sum(known) % 16)
    return known[len(prompt) :]


def test_a_new_prompt_is_read_whole(server):
    for _ in range(2):
        assert ask(server, [1, 2, 3], 4) == sums([1, 2, 3], 4)
        assert server.reported_ms == [3 * FIRST_MS + number * TOKEN_MS for number in range(4)]


def test_a_key_after_a_kept_prompt_costs_one_token(server):
    server.keep([1, 2, 3])
    assert ask(server, 7, 3, by="answer") == sums([1, 2, 3, 7], 3)
    assert server.reported_ms[0] == FIRST_MS


def test_an_editors_request_reads_what_the_cache_does_not_have(server):
    ask(server, [1, 2, 3, 4], 2, by="complete")
    assert ask(server, [1, 2, 8, 9], 1, by="complete") == sums([1, 2, 8, 9], 1)
    assert server.reported_ms == [2 * FIRST_MS]


def test_too_few_tokens_are_an_error(server):
    with pytest.raises(EvaluationError, match="generated 5 tokens instead of 6"):
        ask(server, [1], 6)


def test_a_refused_request_is_an_error_with_the_servers_reason(server):
    with pytest.raises(EvaluationError, match=r"refused a request \(Prompt contains invalid tokens\)"):
        ask(server, [-1], 2)


def test_a_program_is_started_with_the_model_and_the_threads_and_ended(program, tmp_path, monkeypatch):
    started = []
    start = subprocess.Popen

    def note(command, **options):
        started.append(start(command, **options))
        return started[-1]

    monkeypatch.setattr(llamacpp_server.subprocess, "Popen", note)
    with closing(start_program(program, tmp_path, threads=3)) as server:
        assert ask(server, [5, 6], 2) == sums([5, 6], 2)
        assert server.version == "version: 42 (fake)"
        arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[arguments.index("-m") + 1] == str(tmp_path / "model.gguf")
    assert [arguments[arguments.index(name) + 1] for name in ("-t", "-tb")] == ["3", "3"]
    assert all(process.poll() is not None for process in started)


def test_a_program_that_ends_at_once_is_an_error(program, tmp_path):
    program.write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    with pytest.raises(EvaluationError, match="ended with status 3"):
        start_program(program, tmp_path, threads=1)


def test_a_program_beside_this_python_is_preferred(program, tmp_path, monkeypatch):
    monkeypatch.setattr(llamacpp_server.sys, "executable", str(tmp_path / "python"))
    assert llamacpp_server.has_server()
    with closing(start_server(tmp_path, 1)) as server:
        assert server.version == "version: 42 (fake)"


def test_without_program_and_package_there_is_no_server(tmp_path, monkeypatch):
    monkeypatch.setattr(llamacpp_server.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(llamacpp_server, "find_spec", lambda name: None)
    assert not llamacpp_server.has_server()
