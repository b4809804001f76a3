"""Install the wheel with uv, pipx and pip, each in an empty home, and run what was installed.

python tools/try_installers.py [--wheel FILE] [--installers uv,pipx,pip] [--pythons 3.11,3.12,3.13,3.14]

Every Python of the list that is on PATH or in ~/.pyenv/versions is tried. The package index is that of pip.s settings.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
INSTALLERS = ("pip", "uv", "pipx")
CODE = "def area(width, height):\n    return width * height\n\n\ndef volume(width, height, depth):\n    return \n"


def main() -> int:
    """Try every installer with every Python; print one line each; return 1 if any failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="the wheel (default: built here)")
    parser.add_argument("--installers", default=",".join(INSTALLERS), metavar="NAMES")
    parser.add_argument("--pythons", default=",".join(PYTHONS), metavar="VERSIONS")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="cg2ls-install-") as folder:
        room = Path(folder)
        wheel = arguments.wheel or build_wheel(room / "wheel")
        for version in arguments.pythons.split(","):
            python = find_python(version)
            for installer in arguments.installers.split(",") if python else ():
                problem = try_installer(installer, python or "", wheel, room / f"{installer}-{version}")
                failed |= bool(problem)
                print(f"Python {version}, {installer}: {problem or 'works'}", flush=True)
            if python is None:
                print(f"Python {version}: not on this machine")
    return int(failed)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this repository."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    return next(folder.glob("cg2ls-*.whl"))


def find_python(version: str) -> str | None:
    """Return the interpreter of a version; None if it is not on this machine."""
    versions = Path.home() / ".pyenv" / "versions"
    own = sorted(versions.glob(f"{version}.*/bin/python")) if versions.is_dir() else []
    return str(own[-1]) if own else shutil.which(f"python{version}")


def try_installer(installer: str, python: str, wheel: Path, home: Path) -> str:
    """Install into an empty home and run the commands; return what failed, "" if nothing did."""
    home.mkdir()
    of_this_user = ("XDG_", "CG2LS_", "PYTHON", "VIRTUAL_ENV", "PIPX_", "UV_TOOL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(of_this_user)} | {
        "HOME": str(home)
    }
    tools, commands = home / "tools", home / ".local" / "bin"

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)), env=environment, cwd=home, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"]
            raise RuntimeError(f"`{Path(command[0]).name} {command[1]}` failed: {said[-1]}")
        return done.stdout

    source = f"{wheel}[cpu]"
    try:
        run(python, "-m", "venv", tools)
        pip = (tools / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        if installer == "pip":
            run(*pip, source)
            commands = tools / "bin"
        elif installer == "uv":
            run(*pip, "uv")
            run(tools / "bin" / "uv", "tool", "install", "--quiet", "--python", python, source)
        else:
            run(*pip, "pipx")
            run(tools / "bin" / "pipx", "install", "--quiet", "--python", python, source)
        program = commands / "cg2ls"
        run(program, "--version")
        if "Completion works here." not in run(program, "doctor"):
            return "the doctor found a problem"
        (home / "main.py").write_text(CODE, "utf-8")
        run(program, "complete", "main.py", "--at", "6:12")
        missing = subprocess.run(
            [program, "serve", "--http"],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = {"pip": "pip install", "uv": "uv pip install --python", "pipx": "pipx inject cg2ls"}
        if f"{expected[installer]} " not in missing.stderr:
            return f"the remedy for a missing package is for another installer: {missing.stderr.strip()}"
    except RuntimeError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
