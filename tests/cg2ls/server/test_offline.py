"""Nothing leaves the machine: a whole session with sockets forbidden in the server's process.

This is about what Python does, on every system; `tests/test_native_traffic.py` sees native code too, on Linux.
"""

from __future__ import annotations

import sys

URI = "file:///a.py"

FORBIDDEN = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        sys.stderr.write(f"FORBIDDEN {event} {arguments!r}\\n")
        raise PermissionError(event)

sys.addaudithook(refuse)
from cg2ls.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_session_with_every_feature_uses_no_network(lsp, random_model, tiny_model, tmp_path):
    (tmp_path / "other.py").write_text("def helper():\n    return 1\n")
    command = [sys.executable, "-c", FORBIDDEN, "--model", str(random_model)]
    with lsp.LspClient(command) as client:
        client.initialize(
            workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "p"}],
            initializationOptions={"minConfidence": 0},
        )
        client.wait_for("window/logMessage", "ready")
        client.open(URI, "def area(width, height):\n    return \n")
        for column in range(4, 11):
            client.inline(URI, 1, column, trigger=1)
        client.change(URI, 2, {"text": "import json\njson.\n"})
        client.inline(URI, 1, 5)
        run = {"command": "cg2ls.server.switchModel", "arguments": [str(tiny_model)]}
        client.request("workspace/executeCommand", run)
        client.wait_for("window/logMessage", "tiny is ready")
        assert "items" in client.inline(URI, 1, 5, trigger=1)
        client.request("workspace/executeCommand", {"command": "cg2ls.server.stats"})
        assert client.leave() == 0
        assert b"FORBIDDEN" not in client.process.stderr.read()


def test_use_of_the_network_would_be_noticed(lsp):
    code = (
        FORBIDDEN.split("from cg2ls", maxsplit=1)[0]
        + "import socket\nsocket.create_connection(('127.0.0.1', 9))"
    )
    with lsp.LspClient([sys.executable, "-c", code]) as client:
        client.process.wait(300)
        assert b"FORBIDDEN" in client.process.stderr.read()
