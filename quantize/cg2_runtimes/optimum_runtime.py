"""optimum's traced ONNX export of a checkpoint, quantized as its documentation does, and a decode loop over it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.onnx_session import import_onnxruntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.evaluation.runtimes.worker_protocol import Emit

ort = import_onnxruntime()

Past = dict[str, Any]


class OptimumLoop:
    """ONNX Runtime with IO binding; keys and values pass from call to call without a copy in Python.

    `ORTModelForCausalLM.generate` adds milliseconds of Python to each token; this loop adds microseconds, so
    that it is the exported graph that is measured.

    Args:
        folder: written by `export`.
        threads: threads inside one operator.
    """

    outside_ms: float | None = None
    reported_ms: Sequence[float] | None = None

    def __init__(self, folder: Path, threads: int) -> None:
        self.version = f"onnxruntime {ort.__version__}"
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(
            str(folder / QUANTIZED), options, providers=["CPUExecutionProvider"]
        )
        inputs = self._session.get_inputs()
        self._pasts = [entry.name for entry in inputs if entry.name.startswith("past_key_values.")]
        self._presents = [name.replace("past_key_values", "present") for name in self._pasts]
        self._has_positions = any(entry.name == "position_ids" for entry in inputs)
        heads, channels = next(
            (entry.shape[1], entry.shape[3]) for entry in inputs if entry.name in self._pasts
        )
        empty = np.zeros((1, heads, 0, channels), np.float32)
        self._empty = {name: ort.OrtValue.ortvalue_from_numpy(empty) for name in self._pasts}
        self._vocabulary = self._session.get_outputs()[0].shape[2]
        self._logits: NDArray[np.float32] = np.zeros(0, np.float32)
        self._kept: Past = self._empty
        self._kept_length = 0

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read a prompt in one call and generate."""
        self._generate(prompt, self._empty, 0, tokens, emit)

    def keep(self, prompt: Sequence[int]) -> None:
        """Keep the prompt's keys and values, which no later call changes."""
        _, self._kept = self._call(prompt, self._empty, 0)
        self._kept_length = len(prompt)

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Continue from the kept keys and values."""
        self._generate([key], self._kept, self._kept_length, tokens, emit)

    def _generate(self, ids: Sequence[int], past: Past, length: int, tokens: int, emit: Emit) -> None:
        for _ in range(tokens):
            token, past = self._call(ids, past, length)
            emit(token)
            length += len(ids)
            ids = [token]

    def _call(self, ids: Sequence[int], past: Past, length: int) -> tuple[int, Past]:
        """Return the likeliest token after these, and the keys and values of all."""
        count, total = len(ids), length + len(ids)
        binding = self._session.io_binding()
        binding.bind_cpu_input("input_ids", np.array([ids], np.int64))
        binding.bind_cpu_input("attention_mask", np.ones((1, total), np.int64))
        if self._has_positions:
            binding.bind_cpu_input("position_ids", np.arange(length, total, dtype=np.int64)[None])
        for name, value in past.items():
            binding.bind_ortvalue_input(name, value)
        size = count * self._vocabulary
        if len(self._logits) < size:
            self._logits = np.zeros(size, np.float32)
        shape = (1, count, self._vocabulary)
        binding.bind_output("logits", "cpu", 0, np.float32, shape, self._logits.ctypes.data)
        for name in self._presents:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        presents = dict(zip(self._pasts, binding.get_outputs()[1:], strict=True))
        return int(self._logits[size - self._vocabulary : size].argmax()), presents


QUANTIZED = "model_quantized.onnx"


TRACED = "model.onnx"


def export(checkpoint: Path, folder: Path) -> None:
    """Write `model_quantized.onnx`.

    Its products are quantized dynamically, with one int8 scale per output channel. The embedding stays in float32,
    since a quantized one is dequantized whole at every call.

    Args:
        checkpoint: in the Hugging Face layout; the fused projection in 4 groups.
        folder: an empty folder.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

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
    """Write `model.onnx`, float32, with a cache (task text-generation-with-past).

    Args:
        checkpoint: in the Hugging Face layout; CodeGen2's fused projection in 4 groups.
        folder: an empty folder.
    """
    from optimum.exporters.onnx import main_export

    task = "text-generation-with-past"
    main_export(str(checkpoint), output=str(folder), task=task, framework="pt", do_validation=False)
