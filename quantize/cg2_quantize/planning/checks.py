"""What is checked before anything is written."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.planning.machine import this_machine
from cg2ls.files import check_replaceable
from cg2ls.models.folder.description import MIN_CONTEXT_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from cg2_quantize.formats import Format
    from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer

COPIES = 2.3
"""Of the largest tensor in float32 that are in memory at once: as read, as written, and what threads work on."""

BASE_BYTES = 400 << 20
"""Python, numpy and onnx."""

ATTENTION_UNIT = 16
"""Channels; the head size and the rotated part of it are multiples of this in GroupQueryAttention."""


def check_output(folder: Path, *, force: bool, proof: str) -> None:
    """Refuses to overwrite a folder, and with `force` one that is not of the kind that has a file `proof`.

    Raises:
        OutputError: the folder is of another kind.
        QuantizeError: it is there, and there is no `force`.
    """
    check_replaceable(folder, proof)
    if not force and folder.exists() and any(folder.iterdir()):
        raise QuantizeError(f"{folder} exists; replace it with --force, or choose another name with -o.")


def check_space(folder: Path, need: int) -> None:
    """Refuses when the disk of `folder` has fewer than `need` bytes free.

    Raises:
        QuantizeError: see above.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < need:
        raise QuantizeError(
            f"{folder} needs up to {need / 1e6:.0f} MB, but its disk has {free / 1e6:.0f} MB free;"
            " make room or choose another disk with -o."
        )


def check_memory(config: CodeGenConfig) -> None:
    """Refuses when this machine has less memory free than rounding the largest tensor takes.

    Raises:
        QuantizeError: see above.
    """
    largest = 4 * max(config.vocab_size * config.n_embd, config.n_inner * config.n_embd)
    need, free = int(COPIES * largest) + BASE_BYTES, this_machine().memory
    if 0 < free < need:
        raise QuantizeError(
            f"Converting this model needs {need / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free;"
            " close something, or convert it on a larger machine."
        )


def check_context(context: int | None) -> None:
    """Refuses a context that was asked for and is too short to complete in.

    Raises:
        QuantizeError: see above.
    """
    if context is not None and context < MIN_CONTEXT_TOKENS:
        raise QuantizeError(
            f"--context {context} is too short: completing needs {MIN_CONTEXT_TOKENS} tokens at least."
        )


def check_shape(config: CodeGenConfig, chosen: Format) -> None:
    """Refuses what could be written but not run.

    Raises:
        QuantizeError: the head size or its rotated part is no multiple of 16, which ONNX Runtime's
            GroupQueryAttention needs, or the context is too short to complete in.
    """
    if config.n_positions < MIN_CONTEXT_TOKENS:
        raise QuantizeError(
            f"The model's context is {config.n_positions} tokens, but completing needs {MIN_CONTEXT_TOKENS} at least."
        )
    for name, size in (("head size", config.head_dim), ("rotary_dim", config.rotary_dim)):
        if size % ATTENTION_UNIT and not chosen.portable:
            raise QuantizeError(
                f"The model's {name} is {size}, but ONNX Runtime needs a multiple of {ATTENTION_UNIT};"
                " this shape can be converted with --portable only."
            )


def check_vocabulary(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> None:
    """Refuses a tokenizer of another vocabulary size than the model's.

    Raises:
        QuantizeError: see above.
    """
    if tokenizer.special.vocab_size != checkpoint.config.vocab_size:
        raise QuantizeError(
            f"{tokenizer.origin} has {tokenizer.special.vocab_size} tokens, but the model has"
            f" {checkpoint.config.vocab_size}; put the tokenizer.json that the model was trained with into"
            f" {checkpoint.folder}."
        )
