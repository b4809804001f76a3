"""Print the gain of recorded calls and longer chunks on an NVIDIA card.

    python tools/cuda_calls.py FOLDER...

The folders are models made with `cg2-quantize --for cuda`.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from cg2ls.commandline import aligned
from cg2ls.engine import Engine, EngineOptions, Request

WAYS = ((False, 128), (True, 128), (True, 512))
"""Whether decoding replays recorded calls, and prompt tokens per call."""

DECODED = 64


@dataclass
class Times:
    """Milliseconds of every round: to read the prompt, per decoded token, and to answer a key typed after it."""

    prefill: list[float] = field(default_factory=list)
    token: list[float] = field(default_factory=list)
    key: list[float] = field(default_factory=list)

    def medians(self) -> list[str]:
        """Return the medians of all rounds but the first, which records."""
        return [f"{median(taken[1:]):.2f}" for taken in (self.prefill, self.token, self.key)]


def main() -> int:
    """Print medians, one row for each model and setting."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--provider", default="cuda", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rows = [["model", "decoding", "tokens a call", "prefill, ms", "token, ms", "key, ms"]]
    for folder in arguments.folders:
        for recorded, chunk in WAYS:
            times = measure(folder, arguments.provider, arguments.rounds, recorded=recorded, chunk=chunk)
            decoding = "recorded" if recorded else "launched"
            rows.append([folder.name, decoding, str(chunk), *times.medians()])
    print(aligned(rows, right=range(2, 6)))
    return 0


def measure(folder: Path, provider: str, rounds: int, *, recorded: bool, chunk: int) -> Times:
    """Read prompts of half a context, 512 tokens at most, decode after them, and type one more key."""
    chance, times = random.Random(1), Times()
    options = EngineOptions(cuda_graph=recorded, drafts=False)
    with Engine.open(folder, provider=provider, options=options) as engine:
        engine.prefill_chunk = chunk
        count = min(512, engine.context_length // 2)
        most = engine.model.architecture.vocab_size
        for _ in range(rounds + 1):
            prompt = [chance.randrange(most) for _ in range(count)]
            list(engine.complete(Request(prompt=prompt, max_tokens=DECODED, ignore_stop_tokens=True)))
            times.prefill.append(engine.last.prefill_ms)
            times.token.append(engine.last.decode_ms / (DECODED - 1))
            list(engine.complete(Request(prompt=[*prompt, prompt[0]], max_tokens=1, ignore_stop_tokens=True)))
            times.key.append(engine.last.first_token_ms)
    return times


if __name__ == "__main__":
    raise SystemExit(main())
