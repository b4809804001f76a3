"""Thousands of requests over many documents do not increase memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = """
import os, random, statistics, sys
from pathlib import Path
from cg2ls.machine import read_resident_mb
from cg2ls.engine import Engine, EngineOptions, Request

chance = random.Random(0)
engine = Engine.open(Path(sys.argv[1]), threads=1, options=EngineOptions(drafts=True))
documents = [[chance.randrange(300) for _ in range(chance.randrange(20, 200))] for _ in range(12)]
memory = []
for key in range(int(sys.argv[2])):
    document = documents[chance.randrange(12) if key % 40 == 0 else key // 40 % 12]
    document.append(chance.randrange(300)) if len(document) < 220 else document.clear()
    prompt = document or [1]
    stop = iter([False] * chance.randrange(1, 6))
    request = Request(prompt=prompt, draft_hint=[5] * (key % 4), max_tokens=6, ignore_stop_tokens=True)
    list(engine.complete(request, lambda: next(stop, True)))
    if key % 100 == 2:
        engine.candidates(request, 3)
    memory.append(read_resident_mb(os.getpid()))
quarter = len(memory) // 4
print(statistics.mean(memory[quarter : 2 * quarter]), statistics.mean(memory[-quarter:]))
"""


@pytest.mark.slow
def test_resident_memory_does_not_grow(tiny_model: Path):
    command = [sys.executable, "-c", SOAK, str(tiny_model), "8000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    second, last = (float(number) for number in done.stdout.split())
    assert last <= 1.03 * second
