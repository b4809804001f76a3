"""Where a checkpoint comes from: a folder, or a name on the Hugging Face hub."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.published import complete_tokenizer
from cg2ls.modelfolder.facts import FACTS, Facts

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")

WANTED = ("config.json", "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json", "*.index.json")
"""Files that every checkpoint may have; never code."""

SAFE, PICKLED = "*.safetensors", "*.bin"


@contextmanager
def located(checkpoint: str, *, revision: str | None = None, tokenizer: Path | None = None) -> Iterator[Path]:
    """The folder of a checkpoint, its weights in safetensors and its tokenizer complete.

    What has to be made for that is made in a temporary folder that links to the rest.

    Args:
        checkpoint: a folder, or "owner/name" on the hub.
        revision: commit, branch or tag on the hub.
        tokenizer: folder with GPT-2's vocab.json and merges.txt, where the checkpoint has none.

    Raises:
        QuantizeError: it is neither, or cannot be downloaded, or its parts cannot be read.
    """
    folder, source = Path(checkpoint), ""
    if not folder.exists() and HUB_NAME.fullmatch(checkpoint):
        folder, source = downloaded(checkpoint, revision)
    elif revision is not None:
        raise QuantizeError("--revision is for checkpoints on the hub; leave it out for a folder.")
    with TemporaryDirectory(prefix="cg2-checkpoint-") as scratch:
        yield _complete(folder, Path(scratch), checkpoint if source else "", source, tokenizer)


def downloaded(name: str, revision: str | None) -> tuple[Path, str]:
    """A checkpoint of the hub in its local cache, and its commit.

    Files that are there already are not asked for again; with a full commit the hub is not asked at all.

    Raises:
        QuantizeError: huggingface_hub is missing, or the hub does not give the checkpoint.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ModuleNotFoundError:
        raise QuantizeError(f"{name} is on the hub; pip install huggingface_hub, or name a folder.") from None

    def take(patterns: list[str], *, offline: bool, at: str | None) -> Path:
        return Path(snapshot_download(name, revision=at, allow_patterns=patterns, local_files_only=offline))

    try:
        folder = take([*WANTED, SAFE, PICKLED], offline=True, at=revision)
        if _whole(folder) and (revision is None or COMMIT.fullmatch(revision) or not _online()):
            return folder, folder.name
    except LocalEntryNotFoundError:
        pass
    try:
        about = HfApi().model_info(name, revision=revision)
        weights = (
            SAFE if any(file.rfilename.endswith(".safetensors") for file in about.siblings or []) else PICKLED
        )
        folder = take([*WANTED, weights], offline=False, at=revision)
    except Exception as wrong:  # the library raises its HTTP client's classes too
        reason = str(wrong).strip().splitlines()[0] if str(wrong).strip() else type(wrong).__name__
        raise QuantizeError(f"{name} cannot be had from the hub ({reason}).") from None
    return folder, folder.name


def _online() -> bool:
    """Whether the user lets the library ask the network."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE


def _whole(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any((*folder.glob(SAFE), *folder.glob(PICKLED)))


def _complete(folder: Path, scratch: Path, name: str, revision: str, tokenizer: Path | None) -> Path:
    """The folder itself, or one beside it with what it lacks."""
    pickled = not any(folder.glob(SAFE)) and any(folder.glob(PICKLED))
    lacking = (folder / "config.json").is_file() and not (folder / "tokenizer.json").is_file()
    if not (pickled or lacking or name):
        return folder
    made = scratch / (name.rsplit("/", 1)[-1] or folder.absolute().name)
    made.mkdir()
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in (".bin", ".py"):
            (made / path.name).symlink_to(path.resolve())
    if lacking:
        (made / "tokenizer.json").write_text(complete_tokenizer(folder, tokenizer), encoding="utf-8")
    if pickled:
        from cg2_quantize.pickled import to_safetensors

        to_safetensors(folder, made)
    if name and not (folder / FACTS).exists():
        facts = Facts(name=made.name)
        replace(facts, source=replace(facts.source, checkpoint=name, revision=revision)).write(made)
    return made
