"""Recognize checkpoints that are already quantized, by config.json, files, tensor names and types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CONFIG_KEYS = ("quantization_config", "compression_config", "quantization", "bits_and_bytes_config")

METHODS = {
    "bitsandbytes": "bitsandbytes",
    "bnb": "bitsandbytes",
    "gptq": "GPTQ",
    "awq": "AWQ",
    "fp8": "FP8",
    "fbgemm_fp8": "FP8",
    "mxfp4": "MXFP4",
    "compressed-tensors": "compressed-tensors",
    "hqq": "HQQ",
    "aqlm": "AQLM",
    "eetq": "EETQ",
    "quanto": "quanto",
    "torchao": "torchao",
}
"""Names by the value of `quant_method`."""

FILES = {"quantize_config.json": "GPTQ", "quant_config.json": "AWQ", "hf_quant_config.json": "ModelOpt"}
"""Files in a checkpoint folder that only quantized checkpoints have."""

ENDINGS = {
    ".SCB": "bitsandbytes' int8",
    ".weight_format": "bitsandbytes' int8",
    ".quant_state.bitsandbytes__nf4": "bitsandbytes' nf4",
    ".quant_state.bitsandbytes__fp4": "bitsandbytes' fp4",
    ".absmax": "bitsandbytes' 4 bits",
    ".quant_map": "bitsandbytes' 4 bits",
    ".g_idx": "GPTQ",
    ".qweight": "GPTQ or AWQ",
    ".qzeros": "GPTQ or AWQ",
    ".weight_packed": "compressed-tensors",
    ".weight_scale_inv": "FP8",
    ".input_scale": "FP8",
    ".weight_scale": "FP8 or int8 with scales",
    ".weight_blocks": "MXFP4",
    ".weight_scales": "MXFP4 or int8 with scales",
    "_blocks": "MXFP4",
    ".W_q": "HQQ",
    ".codebooks": "AQLM",
    "._packed_params": "PyTorch's own int8",
}
"""Endings of tensor names that only quantized checkpoints have; those that show one method come first."""

TYPES = {
    "F8_E4M3": "FP8",
    "F8_E5M2": "FP8",
    "F8_E4M3FNUZ": "FP8",
    "F8_E5M2FNUZ": "FP8",
    "F8_E8M0": "MXFP4's scales",
    "F4": "MXFP4",
    "F6_E2M3": "FP6",
    "F6_E3M2": "FP6",
    "I8": "int8",
    "U8": "packed bytes",
    "I16": "int16",
    "U16": "uint16",
    "I32": "packed int32, as GPTQ and AWQ have",
    "U32": "packed uint32",
    "I64": "int64",
    "U64": "uint64",
    "BOOL": "booleans",
    "C64": "complex numbers",
}
"""Types of the safetensors format other than plain floats, as text for the user."""


def find_method_in_config(raw: Mapping[str, Any]) -> str:
    """Return the quantization method that a config.json states; "" if none."""
    for key in CONFIG_KEYS:
        if not (value := raw.get(key)):
            continue
        about = value if isinstance(value, Mapping) else {}
        method = str(about.get("quant_method") or about.get("quant_type") or "").lower()
        if not method:
            flags = ("load_in_8bit", "load_in_4bit", "_load_in_8bit", "_load_in_4bit")
            method = "bitsandbytes" if any(about.get(flag) for flag in flags) else "an unnamed method"
        return f"{METHODS.get(method, method)} ({key} in config.json)"
    dtype = str(raw.get("dtype") or raw.get("torch_dtype") or "").removeprefix("torch.")
    if dtype and dtype not in (
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "double",
        "float",
        "half",
        "auto",
    ):
        return f"{dtype} (torch_dtype in config.json)"
    return ""


def find_method_in_files(folder: Path) -> str:
    """Return the quantization method that a file in the folder shows; "" if none."""
    return next((f"{method} ({name})" for name, method in FILES.items() if (folder / name).is_file()), "")


def find_method_in_names(names: Iterable[str]) -> str:
    """Return the quantization method that tensor names show; "" if none."""
    known = tuple(ENDINGS)
    shown = [name for name in names if name.endswith(known)]
    for ending, method in ENDINGS.items():
        if name := next((name for name in shown if name.endswith(ending)), ""):
            return f"{method} (the tensor {name})"
    return ""
