"""Model folders side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.heldout import heldout_rows
from cg2_quantize.verification.pieces import Network
from cg2_quantize.verification.report import KEYS, REPORT
from cg2_quantize.verification.stream import stream_models
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, ModelDescription
from cg2ls.models.folder.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def compare(folders: Sequence[Path], tokens: int) -> list[dict[str, Any]]:
    """What each folder's report says, and how far it is from the first.

    Args:
        folders: verified here.
        tokens: of held-out code to compare over; 0 for none.

    Raises:
        ModelFolderError: one is damaged.
        QuantizeError: they are not of one tokenizer and shape, or one was written by an older cg2-quantize.
    """
    models = [verify_folder(folder) for folder in folders]
    columns = []
    for folder, model in zip(folders, models, strict=True):
        column: dict[str, Any] = {"model": model.name, "folder": str(folder), "format": model.precision}
        column["bytes"] = sum(entry.bytes for entry in model.files.values())
        columns.append(column | {key: value for key, value in _report(folder).items() if key in KEYS})
    for index in range(1, len(folders) if tokens else 0):
        columns[index] |= _distance(folders[0], models[0], folders[index], models[index], tokens)
    return columns


def _distance(
    first: Path, base: ModelDescription, folder: Path, model: ModelDescription, tokens: int
) -> dict[str, float]:
    if (first / TOKENIZER).read_bytes() != (folder / TOKENIZER).read_bytes():
        raise QuantizeError(f"{first} and {folder} have different tokenizers; compare with --tokens 0.")
    tokenizer = CodeTokenizer.load(folder / TOKENIZER)
    rows = heldout_rows(tokenizer, min(base.context_length, model.context_length), tokens)
    networks = [
        (Network.of_folder(place, about.architecture.n_layer), about)
        for place, about in ((first, base), (folder, model))
    ]
    try:
        measures = stream_models(networks[0], networks[1], rows)
    except KeyError as missing:
        raise QuantizeError(
            f"{folder} was written by an older cg2-quantize ({missing}); convert it again."
        ) from None
    return {"KL to the first": measures.kl_mean, "top-1 as the first": measures.top1_agreement}


def _report(folder: Path) -> dict[str, Any]:
    try:
        raw = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
