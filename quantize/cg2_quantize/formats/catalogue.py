"""The formats by name: what they store, where they run, and how many bytes they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from cg2_quantize.formats.blocks import ATTENTION_INPUT, InBlocks, PortableInt4
from cg2_quantize.formats.int8 import Int8
from cg2_quantize.formats.matrix_writer import FormatError, Plain
from cg2_quantize.formats.nf4 import Nf4
from cg2_quantize.graph.graph_weights import find_layout
from cg2ls.models.folder.description import CONTENT, MIN_CONTEXT_TOKENS, PREFILL_GRAPH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2_quantize.formats.matrix_writer import MatrixWriter
    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import CodeGenConfig

FORMATS = ("fp32", "fp16", "bf16", "int8", "int6", "int4", "nf4")
TARGETS = ("cpu", "cuda", "directml", "coreml", "openvino")

FORMS: dict[str, tuple[str, bool]] = {
    "directml": ("cpu", False),
    "coreml": ("cpu", True),
    "openvino": ("cpu", True),
}
"""Other providers than the processor's and CUDA: whose graph they get, and whether in standard operators only."""

FLOATS: dict[str, np.dtype[np.generic]] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}

BYTES_PER_WEIGHT = {
    "fp32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "int8": 1.0,
    "int6": 0.79,
    "int4": 0.66,
    "nf4": 0.57,
}
"""Bytes per weight of the blocks' matrices, scales and zero points included."""

END_BYTES_PER_WEIGHT = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0}
"""Bytes per weight of embedding and head; other formats store them in eight bits, `MAX_END_BYTES_PER_WEIGHT`."""

MAX_END_BYTES_PER_WEIGHT = 1.2


@dataclass(frozen=True)
class Format:
    """A way to write a model.

    Attributes:
        name: one of `FORMATS`.
        target: "cpu" or "cuda".
        portable: whether to use standard operators only.
        kv: element type of the key and value cache.
        calibrated: whether 4-bit rounding compensates its errors over a calibration set.
        eight_bits: names of the matrices that int6 has in eight bits; empty for its usual choice.
    """

    name: str
    target: str = "cpu"
    portable: bool = False
    kv: str = "float32"
    calibrated: bool = False
    eight_bits: tuple[str, ...] = ()

    @property
    def floats(self) -> np.dtype[np.generic]:
        """Element type of activations, norms and scales."""
        if self.name == "bf16":
            return FLOATS["bfloat16"]
        return FLOATS["float32" if self.target == "cpu" else "float16"]

    @property
    def file_names(self) -> tuple[str, ...]:
        """Files of the folder besides model.json; with int4 matrices, one reads prompts with int8 products."""
        has_prefill = self.name in ("int4", "int6") and self.target == "cpu" and not self.portable
        return (*CONTENT, PREFILL_GRAPH) if has_prefill else CONTENT

    @property
    def matrix_writer(self) -> MatrixWriter:
        """The writer of the matrices, without a calibration."""
        return self.make_matrix_writer(None)

    def make_matrix_writer(self, inputs: Callable[[str], Float32] | None) -> MatrixWriter:
        """Return the writer of the matrices, given the inputs of products over the calibration set (`InBlocks`)."""
        on_cpu = self.target == "cpu"
        if self.name == "int8":
            return Int8(portable=self.portable) if on_cpu else InBlocks(8, rounds_activations=False)
        if self.name == "int4":
            return PortableInt4() if self.portable else InBlocks(4, rounds_activations=on_cpu, inputs=inputs)
        if self.name == "int6":
            eight = self.eight_bits or (ATTENTION_INPUT,)
            return InBlocks(4, rounds_activations=on_cpu, inputs=inputs, eight_bits=eight)
        return Nf4(rounds_activations=on_cpu) if self.name == "nf4" else Plain()

    def max_bytes(self, blocks: int, ends: int) -> int:
        """Compute an upper bound of the weight file, bytes.

        Args:
            blocks: weights of the blocks.
            ends: weights of the embedding and the head.
        """
        end = END_BYTES_PER_WEIGHT.get(self.name, MAX_END_BYTES_PER_WEIGHT)
        block = MAX_END_BYTES_PER_WEIGHT if self.eight_bits else BYTES_PER_WEIGHT[self.name]
        return int(blocks * block * 1.05 + ends * end)


def select_format(
    name: str,
    *,
    target: str | None = None,
    portable: bool = False,
    kv: str | None = None,
    calibrated: bool = False,
    eight_bits: tuple[str, ...] = (),
) -> Format:
    """Return the requested format.

    Args:
        name: one of `FORMATS`.
        target: one of `TARGETS`; those of `FORMS` get the graph of one of the first two. By default CUDA for fp16 and
            bf16, else the processor.
        portable: whether to use standard operators only.
        kv: "int8" for a cache of eight bits; by default the graph's own float type.
        calibrated: whether 4-bit rounding compensates its errors over a calibration set.
        eight_bits: names of the matrices that int6 has in eight bits.

    Raises:
        FormatError: two of the options exclude each other.
    """
    if name not in FORMATS:
        raise FormatError(f"format {name!r} is unknown; choose one of {', '.join(FORMATS)}.")
    if target in FORMS:
        target, only_standard = ("cuda", False) if (target, name) == ("directml", "fp16") else FORMS[target]
        portable = portable or only_standard
    target = target or ("cuda" if name in END_BYTES_PER_WEIGHT and name != "fp32" else "cpu")
    if name == "fp32" and target == "cuda":
        raise FormatError("fp32 is for processors: CUDA's attention takes fp16 or bf16; choose one of these.")
    if name in ("fp16", "bf16") and target == "cpu":
        raise FormatError(
            f"{name} is for CUDA: processors compute in fp32; choose fp32, int8 or int4 for one."
        )
    if portable and (target == "cuda" or name not in ("fp32", "int8", "int4")):
        raise FormatError(
            "portable models have fp32, int8 or int4 weights and are written for the processor."
        )
    if kv == "int8" and (portable or target == "cuda"):
        raise FormatError(
            "An int8 cache needs ONNX Runtime's attention on the processor; leave --kv out here."
        )
    if calibrated and (name not in ("int4", "int6") or portable):
        raise FormatError(
            "--calibrate is for int4 and int6 in ONNX Runtime's own operators; leave it out here."
        )
    if eight_bits and name != "int6":
        raise FormatError("--eight-bits is for int6, which has four and eight bits; choose --format int6.")
    chosen = Format(name, target, portable, calibrated=calibrated, eight_bits=eight_bits)
    return replace(chosen, kv=kv or chosen.floats.name)


ATTENTION_CHANNELS = 16
"""Channels; GroupQueryAttention needs multiples of this as head size and as its rotated part."""


def check_shape(config: CodeGenConfig, chosen: Format) -> None:
    """Refuse a shape that could be written but not run.

    Raises:
        FormatError: the head size or its rotated part is no multiple of 16, which ONNX Runtime's
            GroupQueryAttention needs, or the context is too short for completions.
    """
    if config.n_positions < MIN_CONTEXT_TOKENS:
        raise FormatError(
            f"The model's context is {config.n_positions} tokens, but completing needs {MIN_CONTEXT_TOKENS} at least."
        )
    for name, size in (("head size", config.head_dim), ("rotary_dim", config.rotary_dim)):
        if size % ATTENTION_CHANNELS and not chosen.portable:
            raise FormatError(
                f"The model's {name} is {size}, but ONNX Runtime needs a multiple of {ATTENTION_CHANNELS};"
                " this shape can be converted with --portable only."
            )


def check_names(config: CodeGenConfig, eight_bits: Sequence[str]) -> None:
    """Refuse a plan that names matrices which the model does not have.

    Raises:
        FormatError: see above.
    """
    shapes = find_layout(config).shapes(config)
    known = {f"model.layers.{layer}.{name}" for layer in range(config.n_layer) for name in shapes}
    if unknown := sorted(set(eight_bits) - known):
        raise FormatError(
            f"The plan names {unknown[0]}, which this model does not have; make one with `cg2-quantize sensitivity`."
        )
