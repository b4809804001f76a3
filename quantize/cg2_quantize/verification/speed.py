"""Speed of a model folder on this machine, measured in a separate process, which gives its peak memory.

    python -m cg2_quantize.verification.speed FOLDER

prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from cg2_quantize.graph.builder import read_initializers
from cg2ls.engine import Engine, Request
from cg2ls.jsontext import json_text
from cg2ls.models.folder.description import GRAPH, ModelDescription

PROMPT_TOKENS = 256
ANSWER_TOKENS = 32
ROUNDS = 5

BANDWIDTH_BYTES = 512 << 20
"""Bytes read to measure the memory's bandwidth: far more than any cache holds."""

KV_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True)
class ModelSpeed:
    """Speed and peak memory.

    Attributes:
        prefill_ms: time to read a prompt of `prompt_tokens`.
        decode_tokens_per_s: decoding speed after it, one token per step, without drafts.
        bandwidth_share: bytes that decoding read per second, over this machine's memory bandwidth.
        peak_memory_bytes: peak memory of the whole process.
        prompt_tokens: length of the prompt.
    """

    prefill_ms: float
    decode_tokens_per_s: float
    bandwidth_share: float
    peak_memory_bytes: int
    prompt_tokens: int


def measure_speed(folder: Path) -> ModelSpeed:
    """Run `measure_speed_here` in a new process.

    Raises:
        subprocess.CalledProcessError: the model could not be run there.
    """
    command = [sys.executable, "-m", "cg2_quantize.verification.speed", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return ModelSpeed(**json.loads(ran.stdout))


def measure_speed_here(folder: Path) -> ModelSpeed:
    """Measure the median speed over prompts of random tokens."""
    model = ModelDescription.read(folder)
    prompt_tokens = min(PROMPT_TOKENS, model.context_length - ANSWER_TOKENS - 1)
    random = np.random.default_rng(0)
    prefills, rates = [], []
    with Engine.open(folder, verify=False) as engine:
        engine.drafts = False
        for _ in range(ROUNDS + 1):
            prompt = random.integers(0, model.tokens.end_of_text or model.tokens.vocab_size, prompt_tokens)
            for _step in engine.complete(
                Request(prompt=prompt.tolist(), max_tokens=ANSWER_TOKENS, ignore_stop_tokens=True)
            ):
                pass
            prefills.append(engine.last.prefill_ms)
            rates.append((engine.last.generated - 1) / engine.last.decode_ms * 1e3)
    peak = read_peak_memory()
    rate = median(rates[1:])
    share = rate * count_bytes_per_token(folder, model, prompt_tokens) / measure_bandwidth()
    return ModelSpeed(median(prefills[1:]), rate, share, peak, prompt_tokens)


def read_peak_memory() -> int:
    """Return the peak memory of this process, bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def count_bytes_per_token(folder: Path, model: ModelDescription, context: int) -> int:
    """Count the bytes that decoding reads per token: every weight but the embedding's rows, and the cache."""
    stored = read_initializers(folder / GRAPH)
    weights = sum(values.nbytes for name, values in stored.items() if "embed_tokens" not in name)
    shape = model.architecture
    return weights + 2 * shape.n_layer * shape.n_embd * context * KV_BYTES[model.kv_dtype]


def measure_bandwidth() -> float:
    """Measure the bytes per second that two threads read from memory: the best of five dot products."""
    values = np.ones(BANDWIDTH_BYTES // 4, np.float32)
    parts = np.array_split(values, 4)
    best = 0.0
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(lambda part: float(np.dot(part, part)), parts))
            best = max(best, values.nbytes / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    print(json_text(asdict(measure_speed_here(Path(sys.argv[1])))))
