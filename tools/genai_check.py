"""Print whether onnxruntime-genai gives the engine's tokens for a folder that was converted with --genai.

    pip install onnxruntime-genai
    cg2-quantize CHECKPOINT -o FOLDER --genai
    python tools/genai_check.py FOLDER

Prints one JSON object: how many greedy tokens are the same, and whether both tokenizers give the same ids.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cg2ls.engine import Engine, Request

TEXT = "import os\n\n\ndef read(path):\n        # \tπ\n    with open(path) as file:\n"
TOKENS = 32


def run_engine(folder: Path) -> tuple[list[int], list[int]]:
    """Return the text's ids, and the engine's tokens after them."""
    with Engine.open(folder) as engine:
        ids = engine.tokenizer.encode(TEXT)
        request = Request(prompt=ids, max_tokens=TOKENS, ignore_stop_tokens=True)
        return ids, [step.token for step in engine.complete(request)]


def run_genai(folder: Path) -> tuple[list[int], list[int]]:
    """Return the text's ids, and onnxruntime-genai's tokens after them."""
    import onnxruntime_genai as genai  # after cg2ls, which turns its telemetry off

    model = genai.Model(str(folder))
    ids = [int(token) for token in genai.Tokenizer(model).encode(TEXT)]
    params = genai.GeneratorParams(model)
    params.set_search_options(max_length=len(ids) + TOKENS)
    generator = genai.Generator(model, params)
    generator.append_tokens(np.array([ids], np.int32))
    tokens = []
    while not generator.is_done():
        generator.generate_next_token()
        tokens.append(int(generator.get_next_tokens()[0]))
    return ids, tokens


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (ids, ours), (their_ids, theirs) = run_engine(folder), run_genai(folder)
    same = next((at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    found = {"same_ids": ids == their_ids, "tokens": len(theirs)}
    found["same_tokens"] = min(len(ours), len(theirs)) if same is None else same
    print(json.dumps(found | {"onnxruntime-genai": version("onnxruntime-genai")}))


if __name__ == "__main__":
    main()
