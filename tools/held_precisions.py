"""Time an int4 model whose weights are held as int4, int8 or float32 in memory, or read by its prefill graph, in turns.

python tools/held_precisions.py FOLDER [--rounds N]

The int8 weights have the values, scales and zero points of the int4 ones, so they give the same logits. The prefill
graph reads the prompt only; it rounds activations and weights row by row. Needs `cg2ls[quantize]`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cg2ls.engine.model_runner import ModelRunner
from cg2ls.engine.onnx_session import default_threads
from cg2ls.engine.providers import PREFILL_CHUNK
from cg2ls.models.folder.description import DESCRIPTION, GRAPH, TOKENIZER, WEIGHTS, ModelDescription

PROMPT_TOKENS, DECODED_TOKENS = 900, 16

PREFILL = "prefill graph"


def main() -> int:
    """Print the bound and one row per precision."""
    parser = argparse.ArgumentParser(description="Time int4 weights held as int4, int8 or float32.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="an int4 model folder")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns per precision (default: 7)")
    parser.add_argument("--threads", type=int, default=default_threads(), metavar="N")
    arguments = parser.parse_args()
    model = ModelDescription.read(arguments.folder)
    with tempfile.TemporaryDirectory() as held:
        folders = {"int4": arguments.folder} | {
            kind: hold(arguments.folder, Path(held, kind), kind) for kind in ("int8", "float32")
        }
        runners = {
            kind: ModelRunner.open(
                folder, model, provider="cpu", threads=arguments.threads, prefill_graph=kind == PREFILL
            )
            for kind, folder in {**folders, PREFILL: arguments.folder}.items()
        }
        print_bound(model)
        measure(runners, model, arguments.rounds)
    return 0


def hold(folder: Path, target: Path, kind: str) -> Path:
    """Write a copy of a model folder whose int4 matrices are held as int8, or all matrices as float32."""
    graph = onnx.load(folder / GRAPH)
    weights = {tensor.name: tensor for tensor in graph.graph.initializer}
    nodes = []
    for node in graph.graph.node:
        nodes.append(node)
        if node.op_type != "MatMulNBits":
            continue
        values, scales, zeros, bits = unpack(node, weights)
        if kind == "int8" and bits == 4:
            set_weight(weights[node.input[1]], values.reshape(*scales.shape, -1))
            set_weight(weights[node.input[3]], zeros)
            next(each for each in node.attribute if each.name == "bits").i = 8
        elif kind == "float32":
            each = len(values[0]) // len(scales[0])
            centred = values.astype(np.float32) - np.repeat(zeros, each, axis=1)
            set_weight(weights[node.input[1]], (centred * np.repeat(scales, each, axis=1)).T.copy())
            nodes.pop()
            nodes += plain_product(node)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    target.mkdir()
    onnx.save(graph, target / GRAPH, save_as_external_data=True, location=WEIGHTS, size_threshold=0)
    for name in (DESCRIPTION, TOKENIZER):
        shutil.copy(folder / name, target / name)
    return target


def unpack(
    node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8], int]:
    """Return values [out, in], scales [out, blocks], zero points [out, blocks] and the bits of a matrix."""
    sizes = {each.name: each.i for each in node.attribute}
    bits, rows, columns = sizes["bits"], sizes["N"], sizes["K"]
    values, scales, zeros = (numpy_helper.to_array(weights[name]) for name in node.input[1:4])
    scales = scales.reshape(rows, -1)
    if bits == 4:
        values, zeros = (np.stack([each & 15, each >> 4], axis=-1) for each in (values, zeros))
    return values.reshape(rows, columns), scales, zeros.reshape(rows, -1)[:, : scales.shape[1]].copy(), bits


def set_weight(tensor: onnx.TensorProto, value: NDArray[Any]) -> None:
    """Replace a weight."""
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), tensor.name))


def plain_product(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes of the same product with a float32 matrix."""
    bias = node.input[5] if len(node.input) > 5 else ""
    product = f"{node.output[0]}/product" if bias else node.output[0]
    nodes = [helper.make_node("MatMul", list(node.input[:2]), [product])]
    return [*nodes, helper.make_node("Add", [product, bias], [node.output[0]])] if bias else nodes


def print_bound(model: ModelDescription) -> None:
    """Print the arithmetic of a prompt divided by the measured peak of a float32 product."""
    shape = model.architecture
    layer = shape.n_embd * (3 * shape.n_embd + shape.n_embd + 2 * shape.n_inner)
    work = 2 * PROMPT_TOKENS * shape.n_layer * layer
    left = np.ones((512, 1024), np.float32)
    right = np.ones((1024, 1024), np.float32)
    times = []
    for _ in range(20):
        began = time.process_time()
        left @ right
        times.append(time.process_time() - began)
    peak = 2 * 512 * 1024 * 1024 / min(times)
    bound = f"{1e3 * work / peak:.0f} processor ms at {peak / 1e9:.0f} GFLOP/s of a core"
    print(f"bound of {PROMPT_TOKENS} tokens in float32: {work / 1e9:.1f} GFLOP, {bound}")


def measure(runners: dict[str, ModelRunner], model: ModelDescription, rounds: int) -> None:
    """Read prompts and decode with each precision in turns, and print medians and ratios to int4."""
    choose = random.Random(0)
    reads, tokens, processor = defaultdict(list), defaultdict(list), defaultdict(list)
    logits: dict[str, NDArray[np.float32]] = {}
    for _ in range(rounds):
        prompt = np.array([choose.randrange(model.tokens.end_of_text or 1000) for _ in range(PROMPT_TOKENS)])
        for kind in choose.sample(list(runners), len(runners)):
            context = runners[kind].contexts.newest
            context.cached.truncate(0)
            spent, began = time.process_time(), time.perf_counter()
            for start in range(0, PROMPT_TOKENS - 1, PREFILL_CHUNK):
                read = context.prefill if kind == PREFILL else context.run
                read(prompt[start : min(start + PREFILL_CHUNK, PROMPT_TOKENS - 1)])
            logits[kind] = context.run(prompt[-1:]).copy()
            reads[kind].append(1e3 * (time.perf_counter() - began))
            processor[kind].append(1e3 * (time.process_time() - spent))
            for token in prompt[:DECODED_TOKENS]:
                began = time.perf_counter()
                context.run(np.array([token]))
                tokens[kind].append(1e3 * (time.perf_counter() - began))
    print("held as          read ms   ratio   processor ms   ratio   token ms   ratio   logits differ by")
    for kind in runners:
        cells = [
            f"{median(found[kind]):9.1f} {median(found[kind]) / median(found['int4']):7.2f}"
            for found in (reads, processor, tokens)
        ]
        print(f"{kind:14}", *cells, f"{np.abs(logits[kind] - logits['int4']).max():18.2g}")


if __name__ == "__main__":
    sys.exit(main())
