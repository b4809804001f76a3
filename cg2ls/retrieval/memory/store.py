"""An index on disk: memory-mapped, and rebuilt when anything about it is invalid.

Each workspace, tokenizer and language has a folder, which only its owner can read (mode 0700):

    index.json    the workspace, language and tokenizer, and every file's name, time stamp, size and number of tokens
    tokens.bin    all files backwards; two bytes a token, four for vocabularies of more than 65,535
    suffixes.bin  places in it in the order of their contexts, four bytes a token
"""

from __future__ import annotations

import hashlib
import json
import mmap
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.errors import Cg2Error
from cg2ls.files import OutputError, replacing_folder
from cg2ls.models.folder.locations import NoUserFolderError, cache_folder
from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.suffix_segment import (
    DEPTH,
    TOKEN,
    WIDE_TOKEN,
    Segment,
    backwards,
    find_numbers,
    sort_suffixes,
    stored_type,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.retrieval.memory.suffix_segment import Tokens

FORMAT = 1
DESCRIPTION, TOKENS, SUFFIXES = "index.json", "tokens.bin", "suffixes.bin"
BYTES_PER_TOKEN = TOKEN.itemsize + 4


class StoreError(Cg2Error):
    """An index on disk cannot be used or written."""


class Store:
    """Location of one index on disk.

    Args:
        root: the workspace's folder.
        language: LSP id.
        tokenizer: SHA-256 of the model's tokenizer.json.
        separator: the tokenizer's token for a document's end.
        folder: folder of all indexes; None for the user's cache.
        token: type of the stored tokens.
    """

    def __init__(
        self,
        root: Path,
        language: str,
        tokenizer: str,
        separator: int,
        folder: Path | None = None,
        token: np.dtype[Any] = TOKEN,
    ) -> None:
        self._token = token
        self._is_of = {
            "format": FORMAT,
            "root": str(root.resolve()),
            "language": language,
            "tokenizer": tokenizer,
            "separator": separator,
        }
        if token != TOKEN:
            self._is_of["token_bytes"] = token.itemsize
        name = hashlib.sha256(json.dumps(self._is_of, sort_keys=True).encode()).hexdigest()[:24]
        self._folder: Path | None = None
        self._no_place = ""
        try:
            self._folder = (folder or memory_folder()) / name
        except NoUserFolderError as error:
            self._no_place = str(error)
        self._separator = separator

    @property
    def has_place(self) -> bool:
        """Whether there is a folder for the index."""
        return self._folder is not None

    @property
    def folder(self) -> Path:
        """Folder of this index.

        Raises:
            StoreError: the user has no folder on this machine.
        """
        if self._folder is None:
            raise StoreError(self._no_place)
        return self._folder

    @property
    def mixture(self) -> Path:
        """File of the weights fitted to the workspace.

        Raises:
            StoreError: the user has no folder on this machine.
        """
        return self.folder.with_suffix(".weights.json")

    @classmethod
    def of(cls, root: Path, language: str, tokenizer: CodeTokenizer, folder: Path | None = None) -> Store:
        """Return the location of a workspace's index for a tokenizer."""
        fingerprint = hashlib.sha256(tokenizer.to_json().encode()).hexdigest()
        token = stored_type(find_numbers(tokenizer.special.vocab_size))
        return cls(root, language, fingerprint, tokenizer.special.end_of_text, folder, token)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, for another process."""
        return {**self._is_of, "folder": str(self._folder.parent) if self._folder else None}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Store:
        """Read what `to_json` returned."""
        root, folder = Path(said["root"]), Path(said["folder"]) if said["folder"] else None
        token = WIDE_TOKEN if "token_bytes" in said else TOKEN
        return cls(root, said["language"], said["tokenizer"], said["separator"], folder, token)

    def read(self) -> Index:
        """Map the index into memory.

        Raises:
            StoreError: there is none, or it is cut short, damaged or belongs to something else.
        """
        try:
            raw: Any = json.loads((self.folder / DESCRIPTION).read_text("utf-8"))
            files = [IndexedFile(*each) for each in raw.pop("files")]
            if raw != self._is_of:
                raise ValueError("it belongs to something else")
            entries = sum(file.tokens + 1 for file in files)
            text = _mapped(self.folder / TOKENS, (entries + DEPTH) * self._token.itemsize)
            suffixes = _mapped(self.folder / SUFFIXES, entries * 4)
            segment = Segment(text, suffixes, self._separator, self._token)
            segment.check()
        except FileNotFoundError:
            raise StoreError(
                f"{self.folder} contains no index yet; `cg2ls memory build` makes one."
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{self.folder}: the index cannot be used ({error}); it is built again."
            ) from None
        return Index(files, segment)

    def write(self, files: Sequence[IndexedFile], tokens: Sequence[Tokens]) -> Index:
        """Sort the files' tokens and replace the index on disk.

        Args:
            files: record of each file.
            tokens: tokens of each file.

        Raises:
            StoreError: there is no space, or the folder cannot be written.
        """
        folder = self.folder
        text = backwards(tokens, self._separator).astype(self._token)
        suffixes = sort_suffixes(text)
        described = {**self._is_of, "files": [[f.path, f.modified, f.size, f.tokens] for f in files]}
        try:
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.parent.chmod(0o700)
            with replacing_folder(folder, proof=DESCRIPTION) as new:
                (new / TOKENS).write_bytes(text.tobytes())
                (new / SUFFIXES).write_bytes(suffixes.tobytes())
                (new / DESCRIPTION).write_text(json.dumps(described), "utf-8")
            folder.chmod(0o700)
        except (OSError, OutputError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise StoreError(
                f"{folder}: the index cannot be written ({why}); memory lasts for this session only."
            ) from None
        return self.read()

    def clear(self) -> bool:
        """Remove the index and the fitted weights; return whether anything existed.

        Raises:
            StoreError: they cannot be removed.
        """
        if not self.has_place:
            return False
        try:
            there = self.folder.exists() or self.mixture.exists()
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.mixture.unlink(missing_ok=True)
        except NotADirectoryError:  # a file has the place of the folder of all indexes: nothing is stored
            return False
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be removed ({error.strerror}).") from None
        return there


def memory_folder() -> Path:
    """Return the folder of all indexes."""
    return cache_folder() / "memory"


def _mapped(file: Path, size: int) -> Any:
    """Map a file for reading.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not of this size.
    """
    with file.open("rb") as opened:
        found = file.stat().st_size
        if found != size:
            raise ValueError(f"{file.name} has {found} bytes, not {size}")
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
