"""optimum's traced ONNX export of a checkpoint, quantized as its documentation does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

QUANTIZED = "model_quantized.onnx"


TRACED = "model.onnx"


def export(checkpoint: Path, folder: Path) -> None:
    """Writes `model_quantized.onnx`.

    Its products are quantized dynamically, with one int8 scale per output channel; the embedding stays in float32,
    since a quantized one is dequantized whole at every call.

    Args:
        checkpoint: in the Hugging Face layout; the fused projection in 4 groups.
        folder: an empty folder.
    """
    with tempfile.TemporaryDirectory(dir=folder) as room:
        trace(checkpoint, Path(room))
        quantize_dynamic(
            str(Path(room) / TRACED),
            str(folder / QUANTIZED),
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def trace(checkpoint: Path, folder: Path) -> None:
    """Writes `model.onnx`, float32, which has a cache (task text-generation-with-past).

    Args:
        checkpoint: in the Hugging Face layout; CodeGen2's fused projection in 4 groups.
        folder: an empty folder.
    """
    from optimum.exporters.onnx import main_export

    task = "text-generation-with-past"
    main_export(str(checkpoint), output=str(folder), task=task, framework="pt", do_validation=False)
