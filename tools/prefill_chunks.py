"""Print how long a prompt takes to read, by the number of tokens per call, in turns.

    python tools/prefill_chunks.py FOLDER...

`cg2ls bench --reference-shape --work DIR` leaves the reference shape's folder in DIR.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from statistics import median

from cg2ls.commandline import aligned
from cg2ls.engine import Engine, Request

CHUNKS = (16, 32, 64, 128, 256, 512, 1024)


def main() -> int:
    """Print medians in milliseconds, one row per chunk and one column per model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--tokens", type=int, default=1024, help="prompt length, limited by the context")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    columns = [measure(folder, arguments.tokens, arguments.rounds) for folder in arguments.folders]
    heads = [
        f"{folder.name}, {count} tokens"
        for folder, (count, _) in zip(arguments.folders, columns, strict=True)
    ]
    rows = [[str(chunk), *(f"{times[chunk]:.1f}" for _, times in columns)] for chunk in CHUNKS]
    print(aligned([["tokens a call", *heads], *rows], right=range(len(heads) + 1)))
    return 0


def measure(folder: Path, tokens: int, rounds: int) -> tuple[int, dict[int, float]]:
    """Return the prompt's length, and by chunk the median milliseconds until its first token."""
    chance = random.Random(1)
    with Engine.open(folder) as engine:
        count = min(tokens, engine.context_length - 2)
        times: dict[int, list[float]] = {chunk: [] for chunk in CHUNKS}
        for first in range(rounds * len(CHUNKS)):
            engine.prefill_chunk = chunk = CHUNKS[first % len(CHUNKS)]
            # Another first token each time, so that nothing of the prompt is in the cache.
            prompt = [first, *(chance.randrange(8000) for _ in range(count - 1))]
            list(engine.complete(Request(prompt=prompt, max_tokens=1, ignore_stop_tokens=True)))
            times[chunk].append(engine.last.prefill_ms)
    return count, {chunk: median(taken) for chunk, taken in times.items()}


if __name__ == "__main__":
    raise SystemExit(main())
