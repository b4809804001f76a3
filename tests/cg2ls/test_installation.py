from __future__ import annotations

from pathlib import Path

import pytest

from cg2ls.installation import find_installer, install_command

RECEIPTS = {
    "uv tool": ("uv-receipt.toml", "[tool]\n"),
    "pipx": ("pipx_metadata.json", "{}"),
    "uv": ("pyvenv.cfg", "home = /usr/bin\nuv = 0.9.1\n"),
    "pip": ("pyvenv.cfg", "home = /usr/bin\nversion = 3.12\n"),
}
COMMANDS = {
    "uv tool": "uv pip install --python {prefix} starlette uvicorn",
    "pipx": "pipx inject cg2ls starlette uvicorn",
    "uv": "uv pip install starlette uvicorn",
    "pip": "pip install starlette uvicorn",
}


@pytest.mark.parametrize("installer", RECEIPTS)
def test_the_remedy_fits_the_installer(installer: str, tmp_path: Path) -> None:
    name, content = RECEIPTS[installer]
    (tmp_path / name).write_text(content)
    assert find_installer(tmp_path) == installer
    said = install_command("starlette uvicorn", tmp_path)
    assert said == COMMANDS[installer].format(prefix=tmp_path)


def test_an_environment_of_no_known_program_is_left_to_pip(tmp_path: Path) -> None:
    assert find_installer(tmp_path) == "pip"
