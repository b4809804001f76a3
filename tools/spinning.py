"""Time a typed key for several spin times of the engine's threads, in turns, beside other load.

python tools/spinning.py FOLDER [--busy N] [--rounds N]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from unittest.mock import patch

from cg2ls.engine import Engine, Request, onnx_session

SPINS = {
    f"{microseconds} us": {onnx_session.SPIN_DURATION: str(microseconds)} for microseconds in (1000, 200, 50)
} | {"none": {"session.intra_op.allow_spinning": "0"}}
"""Options of a session by the name of the row."""

PROMPT_TOKENS, ANSWER_TOKENS, REST_S = 300, 6, 0.02


def main() -> int:
    """Print one row per spin time."""
    parser = argparse.ArgumentParser(description="Time a typed key for several spin times of the threads.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="busy loops beside (default: none)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns per row (default: 7)")
    arguments = parser.parse_args()
    engines = {name: open_spinning(arguments.folder, options) for name, options in SPINS.items()}
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy)]
    try:
        print("spin       key ms   read ms   processor s")
        measure(engines, arguments.rounds)
    finally:
        for loop in loops:
            loop.kill()
    return 0


def open_spinning(folder: Path, options: dict[str, str]) -> Engine:
    """Open a model whose threads spin as the options say."""
    with patch.dict(onnx_session.SESSION_CONFIG, options):
        return Engine.open(folder)


def measure(engines: dict[str, Engine], rounds: int) -> None:
    """Read a prompt and answer a key with each engine in turns, and print medians."""
    keys, reads, processor = defaultdict(list), defaultdict(list), defaultdict[str, float](float)
    choose = random.Random(0)
    for _ in range(rounds):
        prompt = [choose.randrange(5000) for _ in range(PROMPT_TOKENS)]
        for name in choose.sample(list(engines), len(engines)):
            spent, began = time.process_time(), time.perf_counter()
            engines[name].read(Request(prompt=prompt))
            read = time.perf_counter()
            request = Request(prompt=[*prompt, 7], max_tokens=ANSWER_TOKENS, ignore_stop_tokens=True)
            list(engines[name].complete(request))
            keys[name].append(1e3 * (time.perf_counter() - read))
            reads[name].append(1e3 * (read - began))
            time.sleep(REST_S)
            processor[name] += time.process_time() - spent
    for name in engines:
        print(f"{name:8} {median(keys[name]):8.1f} {median(reads[name]):9.1f} {processor[name]:13.2f}")


if __name__ == "__main__":
    sys.exit(main())
