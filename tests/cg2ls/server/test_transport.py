"""Sockets: who may connect, how often, and which files remain."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 300
"""Seconds until a wait counts as a failure, even on a busy machine."""


@pytest.fixture
def serve(random_model):
    processes = []

    def launch(*arguments: str, **env: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "cg2ls", "serve", "--model", str(random_model), *arguments]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | env, text=True))
        return processes[-1]

    yield launch
    for process in processes:
        process.kill()
        process.communicate()


def send(connection: socket.socket, **message: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


def receive(stream) -> dict:
    length = int(re.search(r"Content-Length: (\d+)", stream.readline().decode())[1])
    while stream.readline().strip():
        pass
    return json.loads(stream.read(length))


def handshake(connection: socket.socket, **options: object) -> dict:
    params = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": options}
    send(connection, id=1, method="initialize", params=params)
    return receive(connection.makefile("rb"))


def leave(connection: socket.socket) -> None:
    send(connection, id=2, method="shutdown")
    send(connection, method="exit")


def connected(path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


def test_a_unix_socket_serves_one_client_and_is_then_removed(serve, tmp_path):
    path = tmp_path / "private" / "socket"
    server = serve("--unix", str(path))
    assert str(path) in server.stderr.readline()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with connected(path) as client:
        assert handshake(client)["result"]["serverInfo"]["name"] == "cg2ls"
        assert not path.exists()
        leave(client)
        assert server.wait(PATIENCE_S) == 0


def test_a_folder_that_others_can_enter_is_refused(serve, tmp_path):
    tmp_path.chmod(0o755)
    server = serve("--unix", str(tmp_path / "socket"))
    assert server.wait(PATIENCE_S) == 1
    assert "open to others" in server.stderr.read()


def test_a_file_in_the_sockets_place_is_left_alone(serve, tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "socket").write_text("mine")
    server = serve("--unix", str(tmp_path / "socket"))
    assert server.wait(PATIENCE_S) == 1
    assert (tmp_path / "socket").read_text() == "mine"


def test_a_socket_in_use_is_refused_and_one_left_behind_is_taken(serve, tmp_path):
    tmp_path.chmod(0o700)
    path = tmp_path / "socket"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    first = serve("--unix", str(path))
    assert "listening" in first.stderr.readline()
    second = serve("--unix", str(path))
    assert second.wait(PATIENCE_S) == 1
    assert "in use" in second.stderr.read()


def test_tcp_serves_the_first_client_of_this_machine_and_closes_the_port(serve):
    server = serve("--tcp", "0")
    address, port = re.search(r"on ([\d.]+):(\d+)", server.stderr.readline()).groups()
    assert address == "127.0.0.1"
    with socket.create_connection((address, int(port))) as client:
        assert handshake(client)["result"]
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, int(port)), timeout=PATIENCE_S)
        leave(client)
        assert server.wait(PATIENCE_S) == 0


def test_tcp_requires_the_token_if_there_is_one(serve):
    for options, welcome in (({"token": "word"}, True), ({"token": "other"}, False), ({}, False)):
        server = serve("--tcp", "0", CG2LS_TOKEN="word")
        port = int(re.search(r":(\d+)", server.stderr.readline())[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            answer = handshake(client, **options)
            assert ("result" in answer) is welcome
            if welcome:
                leave(client)
            assert server.wait(PATIENCE_S) == (0 if welcome else 1)


def test_the_server_ends_when_its_client_disappears(serve, tmp_path):
    path = tmp_path / "private" / "socket"
    server = serve("--unix", str(path))
    server.stderr.readline()
    with connected(path) as client:
        handshake(client)
    assert server.wait(PATIENCE_S) == 1


def test_a_port_in_use_is_reported_in_one_line(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = serve("--tcp", str(taken.getsockname()[1]))
        assert server.wait(PATIENCE_S) == 1
        assert server.stderr.read().count("\n") == 1


def test_by_default_it_listens_nowhere(start, random_model):
    client = start("--model", str(random_model))
    client.initialize()
    client.wait_for("window/logMessage", "ready")
    proc = Path("/proc") / str(client.process.pid)
    held = {str(link.readlink()) for link in (proc / "fd").iterdir()}
    named = set()
    for table, inode in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9)):
        rows = (proc / "net" / table).read_text().splitlines()[1:]
        named |= {f"socket:[{row.split()[inode]}]" for row in rows}
    rows = [row.split() for row in (proc / "net" / "unix").read_text().splitlines()[1:]]
    named |= {f"socket:[{row[6]}]" for row in rows if len(row) > 7}
    assert not held & named


def test_sigterm_ends_the_server_cleanly(start, random_model):
    client = start("--model", str(random_model))
    client.initialize()
    client.wait_for("window/logMessage", "ready")
    client.process.terminate()
    assert client.process.wait(PATIENCE_S) == 1
    assert b"Traceback" not in client.process.stderr.read()


def test_exit_does_not_wait_for_a_model_that_takes_long_to_open(lsp, random_model):
    code = (
        "import sys, time, cg2ls.engine\n"
        "from cg2ls.cli.main import main\n"
        "cg2ls.engine.Engine.open = lambda *_, **__: time.sleep(3600)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--model", str(random_model)]
    with lsp.LspClient(command) as client:
        client.initialize()
        assert client.request("cg2ls/status", {})["state"] == "loading"
        assert client.leave() == 0, "the server must end within the client's time limit"
        assert client.process.stderr.read() == b""
