"""PyTorch's .bin weights, read by torch's weights-only loader, which runs nothing that stands in the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetensors.numpy import save_file

from cg2_quantize.checks import check_space
from cg2_quantize.errors import QuantizeError
from cg2ls.codegen2.checkpoint import BUFFERS, INDEX

if TYPE_CHECKING:
    from pathlib import Path


def to_safetensors(folder: Path, made: Path) -> None:
    """Writes the weights of `folder`/*.bin as float32 safetensors into `made`, a shard for each file.

    Raises:
        QuantizeError: torch is missing, a file is damaged or holds more than tensors, or the disk is too full.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise QuantizeError(
            f"{folder} has its weights in .bin files; pip install torch, or save them as safetensors."
        ) from None
    files = sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise QuantizeError(f"{folder} has neither safetensors nor pytorch_model*.bin; download it again.")
    check_space(made, 2 * sum(path.stat().st_size for path in files))
    index: dict[str, str] = {}
    for number, path in enumerate(files, 1):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as wrong:  # it raises pickle's, zipfile's and its own classes
            reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
            raise QuantizeError(f"{path} cannot be read as weights alone ({reason}).") from None
        tensors = {
            name: tensor.to(torch.float32).contiguous().numpy()
            for name, tensor in state.items()
            if isinstance(tensor, torch.Tensor) and not name.endswith(BUFFERS)
        }
        shard = f"model-{number:05}-of-{len(files):05}.safetensors"
        save_file(tensors, str(made / shard), metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, shard)
    (made / INDEX).write_text(json.dumps({"weight_map": index}), encoding="utf-8")
