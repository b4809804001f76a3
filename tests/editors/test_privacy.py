"""Neither plugin has code that reaches for the network; `tests/test_native_traffic.py` checks what they start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EDITORS = Path(__file__).parents[2] / "editors"
NETWORK = {
    "vscode": re.compile(
        r"""\bfetch\(|XMLHttpRequest|WebSocket|TelemetryLogger|["'](node:)?(https?|http2|net|tls|dgram|dns)["']"""
    ),
    "neovim": re.compile(
        r"vim\.net\b|new_tcp|new_udp|getaddrinfo|sockconnect|\bcurl\b|\bwget\b|require\(.socket"
    ),
}
SOURCES = {
    "vscode": sorted((EDITORS / "vscode" / "src").rglob("*.ts")),
    "neovim": sorted((EDITORS / "neovim" / "lua").rglob("*.lua")),
}


@pytest.mark.parametrize("editor", NETWORK)
def test_a_plugin_has_no_code_that_reaches_for_the_network(editor: str) -> None:
    assert len(SOURCES[editor]) > 10
    for path in SOURCES[editor]:
        assert not NETWORK[editor].search(path.read_text("utf-8")), path


@pytest.mark.parametrize(
    ("editor", "line"),
    [
        ("vscode", 'await fetch("https://example.org")'),
        ("vscode", 'import { request } from "node:https";'),
        ("neovim", "vim.system({ 'curl', url })"),
        ("neovim", "local client = vim.uv.new_tcp()"),
    ],
)
def test_code_that_uses_the_network_would_be_noticed(editor: str, line: str) -> None:
    assert NETWORK[editor].search(line)
