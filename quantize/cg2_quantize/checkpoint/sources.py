"""Sources of checkpoints: folders and names on the Hugging Face hub. Opens them and reads what they state."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.checkpoint.pickled import read_pickled
from cg2_quantize.checkpoint.published_tokenizers import remove_dummy_blank
from cg2_quantize.errors import QuantizeError
from cg2_quantize.hub import NAME_ON_HUB, describe_hub_error, import_hub, is_offline
from cg2ls.files import sha256_of
from cg2ls.models.codegen2 import Checkpoint
from cg2ls.models.codegen2.config import LLAMA, QWEN2
from cg2ls.models.codegen2.files import (
    ADAPTER,
    INDEX,
    PICKLED_INDEX,
    PICKLED_SINGLE,
    SHARD,
    SINGLE,
    CheckpointError,
    find_weights,
    indexed_files,
    read_json,
)
from cg2ls.models.codegen2.quantized import FILES as QUANTIZED_FILES
from cg2ls.models.folder.description import DESCRIPTION, MIN_CONTEXT_TOKENS, Infill
from cg2ls.models.folder.facts import FACTS, Facts
from cg2ls.models.folder.store import LICENCES, NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cg2ls.models.codegen2 import CodeGenConfig, SpecialTokens

FOLDER_NAMES = {
    *("checkpoint", "checkpoints", "ckpt", "ckpts", "model", "models", "weights", "out", "output", "outputs"),
    *("run", "runs", "result", "results", "data", "tmp", "build", "downloads", "home", "mnt"),
}
"""First parts of names that are read as paths; no owner on the hub has these names."""


def locate_checkpoint(
    checkpoint: str, *, revision: str | None = None, on_notice: Callable[[str], object] = str
) -> Path:
    """Return the folder of a checkpoint, downloading it where needed.

    Args:
        checkpoint: a folder, or "owner/name" on the hub, also as "hf://owner/name".
        revision: commit, branch or tag on the hub.
        on_notice: called with messages for the user.

    Raises:
        QuantizeError: it is neither, or the download fails.
    """
    folder = Path(checkpoint).expanduser()
    problem = "" if checkpoint.startswith(SCHEME) else _explain_path(checkpoint)
    if checkpoint.startswith(SCHEME) or (not folder.exists() and not problem):
        folder = download_checkpoint(checkpoint.removeprefix(SCHEME), revision, on_notice)
    elif not folder.exists():
        raise QuantizeError(f"{checkpoint} does not exist{problem}.")
    elif revision is not None:
        raise QuantizeError("--revision is for checkpoints on the hub; leave it out for a folder.")
    folder = resolve_snapshot(folder)
    if (folder / DESCRIPTION).is_file() and not (folder / "config.json").exists():
        raise QuantizeError(
            f"{folder} is already a model folder; give the checkpoint it was made from, or restore one with"
            f" cg2-quantize dequantize {folder} -o CHECKPOINT."
        )
    return folder


def _explain_path(text: str) -> str:
    """Return why a name is not looked up on the hub, or "" if it is."""
    if not NAME_ON_HUB.fullmatch(text):
        return " (and is not a name on the hub, which is OWNER/NAME)"
    owner = text.partition("/")[0]
    if owner.lower() in FOLDER_NAMES or Path(owner).exists():
        return (
            f"; it looks like a path, so the hub is not asked (write {SCHEME}{text} if it is a model there)"
        )
    return ""


COMMIT = re.compile(r"[0-9a-f]{40}")

SCHEME = "hf://"
"""Prefix of a name that is always looked up on the hub."""

LICENCE_NAMES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}
"""SPDX spelling of names that the hub writes in lower case."""

WANTED = (
    *("config.json", "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json", FACTS, "README.md"),
    *(ADAPTER, *QUANTIZED_FILES, *LICENCES),
)
"""Files of a checkpoint besides its weights; never code, and nothing in subfolders."""


@dataclass(frozen=True)
class Origin:
    """Repository and commit that a folder of the hub's cache comes from."""

    name: str
    revision: str


def find_origin(folder: Path) -> Origin | None:
    """Return the repository and commit of a snapshot folder in the hub's cache; None for other folders."""
    path = folder.absolute()
    if path.parent.name != "snapshots" or not path.parent.parent.name.startswith("models--"):
        return None
    name = path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return Origin(name, path.name) if "/" in name else None


def resolve_snapshot(folder: Path) -> Path:
    """Return the snapshot in a repository's folder of the hub's cache; any other folder unchanged."""
    if not folder.name.startswith("models--") or not (folder / "snapshots").is_dir():
        return folder
    main = folder / "refs" / "main"
    if main.is_file() and (folder / "snapshots" / main.read_text().strip()).is_dir():
        return folder / "snapshots" / main.read_text().strip()
    found = sorted((folder / "snapshots").iterdir())
    if len(found) != 1:
        raise QuantizeError(
            f"{folder} has {len(found)} snapshots; name one of the folders in {folder / 'snapshots'}."
        )
    return found[0]


def download_checkpoint(name: str, revision: str | None, on_notice: Callable[[str], object]) -> Path:
    """Return the snapshot folder of a checkpoint in the hub's local cache, downloading it where needed.

    Cached files are not requested again; with a full commit whose files are cached, the hub is not asked.

    Args:
        name: "owner/name".
        revision: commit, branch or tag; None for the newest.
        on_notice: called with messages for the user.

    Raises:
        QuantizeError: huggingface_hub is missing, or the hub does not give the checkpoint.
    """
    try:
        hub = import_hub()
    except ModuleNotFoundError:
        raise QuantizeError(
            f"{name} is not a local folder; to look it up on the hub, pip install 'cg2ls[hub]'."
        ) from None
    offline = is_offline()
    try:
        only = ["config.json"]  # `_is_complete` decides whether the rest is cached
        folder = Path(
            hub.snapshot_download(name, revision=revision, allow_patterns=only, local_files_only=True)
        )
        if _is_complete(folder) and (offline or (revision is not None and COMMIT.fullmatch(revision))):
            return folder
    except (hub.errors.LocalEntryNotFoundError, OSError, ValueError):
        pass
    if offline:
        raise QuantizeError(
            f"{name} is not in the hub's local cache, and HF_HUB_OFFLINE forbids asking the hub."
        )
    try:
        about = hub.HfApi().model_info(name, revision=revision)
        present = {file.rfilename for file in about.siblings or []}
        files = [file for file in WANTED if file in present]
        files += list_weight_files(
            name, present, lambda index: Path(hub.hf_hub_download(name, index, revision=revision))
        )
        if about.id and about.id != name:
            on_notice(f"{name} is called {about.id} on the hub now.")
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=files))
    except (QuantizeError, CheckpointError):
        raise
    except Exception as error:  # the library raises its HTTP client's classes too
        raise QuantizeError(describe_hub_error(name, revision, error)) from None


def list_weight_files(name: str, present: Collection[str], fetch: Callable[[str], Path]) -> list[str]:
    """Return the names of a repository's weight files, its index first.

    Raises:
        QuantizeError: no weight file has a supported format, or one named by the index is missing.
    """
    for single, index, ending in ((SINGLE, INDEX, "safetensors"), (PICKLED_SINGLE, PICKLED_INDEX, "bin")):
        if single in present:
            return [single]
        if index in present:
            files = indexed_files(fetch(index))
            if absent := [file for file in files if file not in present]:
                raise QuantizeError(f"{name} on the hub lacks {absent[0]}, which its {index} names.")
            return [index, *files]
        if shards := [file for file in present if (m := SHARD.fullmatch(file)) and m["kind"] == ending]:
            return sorted(shards)
    weights = [
        file
        for file in sorted(present)
        if file.endswith((".gguf", ".safetensors", ".bin", ".h5", ".msgpack"))
    ]
    others = f", only {', '.join(weights[:3])}" if weights else ""
    raise QuantizeError(f"{name} on the hub has no weights that are read here (safetensors or .bin){others}.")


def read_card_license(folder: Path) -> str:
    """Return the licence in a model card's (README.md) metadata; "" if it states none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    metadata = text[3:].partition("\n---")[0] if text.startswith("---") else ""
    found = re.search(r"^license:\s*['\"]?([\w.+-]+)", metadata, re.MULTILINE)
    return LICENCE_NAMES.get(found[1].lower(), found[1]) if found else ""


def _is_complete(folder: Path) -> bool:
    """Return whether a snapshot has all files that a conversion reads."""
    try:
        find_weights(folder)
    except CheckpointError:
        return False
    return (folder / "config.json").is_file()


def open_checkpoint(
    folder: Path, *, qkv_groups: int | None = None, ignored: Collection[str] = ()
) -> Checkpoint:
    """Open a checkpoint, .bin files included; see `Checkpoint.open`."""
    return Checkpoint.open(folder, qkv_groups=qkv_groups, ignored=ignored, pickled=read_pickled)


def read_facts(folder: Path, *, name: str | None, license_: str | None) -> Facts:
    """Return what model.json states of a checkpoint: its cg2ls.json, completed by where it comes from.

    Args:
        folder: the checkpoint.
        name: the model's name; by default cg2ls.json's, else the repository's or the folder's.
        license_: SPDX expression; by default cg2ls.json's, else the model card's.

    Raises:
        QuantizeError: the name cannot be a model's.
    """
    facts, origin = Facts.read(folder), find_origin(folder)
    place = folder.absolute().name if origin is None else origin.name.rpartition("/")[2]
    source = facts.source
    if not source.checkpoint:
        full_name = place if origin is None else origin.name
        source = replace(source, checkpoint=full_name, revision="" if origin is None else origin.revision)
    if not source.sha256:
        source = replace(source, sha256=_sha256_of_weights(folder))
    chosen = name or facts.name or place
    if not NAME.fullmatch(chosen):
        raise QuantizeError(
            f"{chosen!r} cannot be a model's name; give one of letters, digits, '.', '_' and '-' with --name."
        )
    if license_ is None:
        license_ = facts.license or read_card_license(folder)
    return replace(facts, name=chosen, license=license_, source=source)


ANCHOR_TOKENS = 128
"""Tokens of the middle before the anchor moves. A middle of fill-in-the-middle training is cut from anywhere in a
document (Bavarian et al. 2022), so one that begins some lines above the cursor is nothing new."""

CHAT_NAME = re.compile(r"(?:^|[-_.])(?:instruct|chat|it)(?:$|[-_.])", re.IGNORECASE)


def complete_infill(facts: Facts, tokens: SpecialTokens, folder: Path) -> Facts:
    """Return the facts with how a model without CodeGen2's masks was trained to fill in.

    Args:
        facts: of the checkpoint.
        tokens: its special tokens.
        folder: the checkpoint; a blank that its tokenizer puts before every text becomes the document header.
    """
    if tokens.n_masks:
        return facts
    if not facts.document_header and remove_dummy_blank(read_json(folder / "tokenizer.json")):
        facts = replace(facts, document_header=" ")
    if tokens.fim is None:
        return replace(facts, infill=replace(facts.infill, objectives=("causal",)))
    infill = facts.infill
    if infill == Infill():
        infill = Infill(character_cuts=True, anchor_max_tokens=ANCHOR_TOKENS)
    return replace(facts, infill=replace(infill, objectives=("causal", "fim")))


def describe_limits(name: str, tokens: SpecialTokens) -> str:
    """Return a sentence on what the model was not trained for; "" if there is nothing to say.

    Args:
        name: the model's name.
        tokens: its special tokens.
    """
    if tokens.layout is None:
        return (
            f"{name} has no infill tokens, so it only continues the text before the cursor; if it has some, name them"
            " with --infill."
        )
    if CHAT_NAME.search(name):
        return f"{name} is tuned for chat by its name; the base model it was made from completes code better."
    return ""


def _sha256_of_weights(folder: Path) -> str:
    """Return the hash of the one weight file, or of the lines "hash  name" of several, sorted by name."""
    hashes = {path.name: sha256_of(path) for path in find_weights(folder).paths}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


DEFAULT_CONTEXT = 2048
"""Tokens of prompt and answer of models that could take more, as in CodeGen2. A longer context takes memory for its
keys and values from the start, and time for its prompt."""


def choose_context(config: CodeGenConfig, asked: int | None) -> int:
    """Return the maximum tokens of prompt and answer: what is asked, else `DEFAULT_CONTEXT` for long contexts."""
    longest = config.n_positions
    default = DEFAULT_CONTEXT if config.family in (LLAMA, QWEN2) else longest
    return min(longest, asked or default)


def check_context(context: int | None) -> None:
    """Refuse a requested context that is too short for completions.

    Raises:
        QuantizeError: see above.
    """
    if context is not None and context < MIN_CONTEXT_TOKENS:
        raise QuantizeError(
            f"--context {context} is too short: completing needs {MIN_CONTEXT_TOKENS} tokens at least."
        )
