"""Optimum's traced export as a second reference, made in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from cg2_quantize.checkpoint.dequantize import TRANSFORMERS_GROUPS, dequantize
from cg2_quantize.checkpoint.scratch import scratch_folder
from cg2_quantize.errors import QuantizeError
from cg2ls.models.codegen2.config import CODEGEN2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cg2ls.models.codegen2 import Checkpoint


def against_optimum(
    python: Path,
    checkpoint: Checkpoint,
    folder: Path,
    tokens: int,
    reference_folder: Callable[[Path], object],
) -> dict[str, Any]:
    """What `cg2_runtimes.optimum_distance` finds; fields of a `ProofReport`.

    Args:
        python: of an environment with the extra cg2ls[reference].
        checkpoint: what the folder was made from.
        folder: a model folder for processors.
        tokens: of held-out code.
        reference_folder: writes the checkpoint as fp32 into a folder it is given.

    Raises:
        QuantizeError: that Python cannot compare them; the reason is its last line.
    """
    with scratch_folder(folder.parent) as scratch:
        source = checkpoint.folder
        if checkpoint.config.family == CODEGEN2 and checkpoint.config.qkv_groups != TRANSFORMERS_GROUPS:
            source = scratch / "checkpoint"
            reference_folder(scratch / "fp32")
            dequantize(scratch / "fp32", source)
        words = [str(python), "-m", "cg2_runtimes", "distance", str(source), str(folder)]
        try:
            ran = subprocess.run(
                [*words, "--tokens", str(tokens)], capture_output=True, text=True, check=True
            )
        except OSError as error:
            raise QuantizeError(f"{python} cannot be run ({error}); name another with --reference.") from None
        except subprocess.CalledProcessError as failed:
            said = failed.stderr.strip().splitlines() or ["it said nothing"]
            raise QuantizeError(
                f"{python} cannot compare with optimum's export ({said[-1]}); `make reference` makes an environment"
                " that can."
            ) from None
    found: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found
