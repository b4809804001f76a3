"""`cg2ls neovim`: write the plugin for Neovim to its own folder, as plugin managers expect it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls import __version__
from cg2ls.errors import Cg2Error
from cg2ls.files import replacing_folder

if TYPE_CHECKING:
    import argparse

PACKAGED = Path(__file__).parents[1] / "neovim"
"""The plugin in an installed package."""

CLONED = Path(__file__).parents[2] / "editors" / "neovim"
"""The plugin in a clone of the repository."""

PARTS = ("lua", "plugin", "doc")
PROOF = "plugin/cg2ls.lua"
"""File by which a folder is known as the plugin's, which may be replaced."""

EPILOG = """\
examples:
  cg2ls neovim ~/.local/share/cg2ls.nvim         for lazy.nvim: { dir = '~/.local/share/cg2ls.nvim', opts = {} }
  cg2ls neovim --git ~/.local/share/cg2ls.nvim   for vim.pack, which clones
"""


class NoPluginError(Cg2Error):
    """The plugin is not part of this installation, or cannot be written."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    import argparse

    parser = commands.add_parser(
        "neovim",
        help="write the plugin for Neovim to a folder",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new folder, or one written before")
    parser.add_argument(
        "--git", action="store_true", help="make it a git repository, which some managers need"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the plugin.

    Raises:
        OutputError: something else is in the folder.
        NoPluginError: the plugin is missing, or git fails.
    """
    source = next((folder for folder in (PACKAGED, CLONED) if (folder / PROOF).is_file()), None)
    if source is None:
        raise NoPluginError("This installation lacks the plugin for Neovim; install cg2ls again.")
    folder: Path = arguments.folder.expanduser()
    with replacing_folder(folder, proof=PROOF) as new:
        for part in PARTS:
            shutil.copytree(source / part, new / part, ignore=shutil.ignore_patterns("tags"))
        if arguments.git:
            _commit(new)
    print(f"The plugin is in {folder}; give this folder to your plugin manager (cg2ls neovim --help).")
    return 0


def _commit(folder: Path) -> None:
    """Make a folder a git repository with one commit."""
    git = shutil.which("git")
    if git is None:
        raise NoPluginError("git is not installed; leave out --git or install it.")
    who = ("-c", "user.name=cg2ls", "-c", "user.email=cg2ls@localhost", "-c", "commit.gpgsign=false")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", *PARTS),
        (*who, "commit", "-qm", f"cg2ls {__version__}"),
    ):
        try:
            subprocess.run([git, *words], cwd=folder, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise NoPluginError(f"git could not make a repository: {error.stderr.strip()}") from None
