"""Where a checkpoint comes from: a folder, or a name on the Hugging Face hub."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.hub import HUB_NAME, SCHEME, downloaded, origin_of, snapshot_of
from cg2_quantize.published import complete_tokenizer
from cg2_quantize.scratch import remove_left_behind, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDERS = {
    *("checkpoint", "checkpoints", "ckpt", "ckpts", "model", "models", "weights", "out", "output", "outputs"),
    *("run", "runs", "result", "results", "data", "tmp", "build", "downloads", "home", "mnt"),
}
"""First parts of names that are meant as paths; owners on the hub are not called so."""


@contextmanager
def located(
    checkpoint: str,
    *,
    revision: str | None = None,
    tokenizer: Path | None = None,
    say: Callable[[str], object] = str,
) -> Iterator[Path]:
    """The folder of a checkpoint, its tokenizer complete.

    A tokenizer that has to be made is put into a temporary folder that links to the rest.

    Args:
        checkpoint: a folder, or "owner/name" on the hub, also as "hf://owner/name".
        revision: commit, branch or tag on the hub.
        tokenizer: folder with GPT-2's vocab.json and merges.txt, where the checkpoint has none.
        say: is told what the user should know.

    Raises:
        QuantizeError: it is neither, or cannot be downloaded, or its parts cannot be read.
    """
    remove_left_behind()
    folder = Path(checkpoint).expanduser()
    problem = "" if checkpoint.startswith(SCHEME) else _meant_as_path(checkpoint)
    if checkpoint.startswith(SCHEME) or (not folder.exists() and not problem):
        folder = downloaded(checkpoint.removeprefix(SCHEME), revision, say)
    elif not folder.exists():
        raise QuantizeError(f"{checkpoint} does not exist{problem}.")
    elif revision is not None:
        raise QuantizeError("--revision is for checkpoints on the hub; leave it out for a folder.")
    folder = snapshot_of(folder)
    if (folder / "tokenizer.json").exists() or not (folder / "config.json").is_file():
        yield folder
        return
    text = complete_tokenizer(folder, tokenizer)
    with scratch_folder() as scratch:
        yield _completed(folder, scratch, text)


def _meant_as_path(text: str) -> str:
    """Why a name that is no folder here is not looked up on the hub; "" where it is."""
    if not HUB_NAME.fullmatch(text):
        return " (and is no name on the hub, which is OWNER/NAME)"
    owner = text.partition("/")[0]
    if owner.lower() in FOLDERS or Path(owner).exists():
        return f"; it reads as a path, so the hub is not asked (write {SCHEME}{text} if it is a model there)"
    return ""


def _completed(folder: Path, scratch: Path, tokenizer_json: str) -> Path:
    """A folder of the same name, and with the same origin on the hub, that links to the files and has a tokenizer."""
    made = scratch / folder.absolute().name
    if origin := origin_of(folder):
        made = scratch / f"models--{origin.name.replace('/', '--', 1)}" / "snapshots" / origin.revision
    made.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".py":
            _link(path.resolve(), made / path.name)
    (made / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    return made


def _link(target: Path, link: Path) -> None:
    """A symbolic link, or a hard one where the system keeps these from users.

    Raises:
        OSError: neither can be made.
    """
    try:
        link.symlink_to(target)
    except OSError:
        link.hardlink_to(target)
