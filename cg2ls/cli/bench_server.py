"""`cg2ls bench --server`: what the server adds to the engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def run_server_bench(folder: Path, *, as_json: bool, memory: bool) -> int:
    """Measures and prints.

    Args:
        folder: of the model whose tokenizer is used.
        as_json: whether to print JSON.
        memory: whether to edit many documents for minutes, too.

    Raises:
        BenchError: the server ends or refuses.
    """
    from cg2ls.evaluation.latency.server_process import measure_memory, measure_overhead
    from cg2ls.table import aligned

    time = measure_overhead(folder)
    space = measure_memory(folder) if memory else None
    if as_json:
        found = {"overhead": time.to_json(), "memory": space.to_json() if space else None}
        print(json.dumps(found, indent=2))
        return 0
    rows = [
        ("server's own time a key, ms", "p50", "p95", "p99"),
        (
            f"{time.lines} lines, {time.keys} keys",
            *(f"{each:.2f}" for each in (time.p50_ms, time.p95_ms, time.p99_ms)),
        ),
        ("a request that does nothing", f"{time.protocol_p50_ms:.2f}", "", ""),
    ]
    print(aligned(rows, right=(1, 2, 3)))
    if time.processor_ms is not None:
        print(f"the server's processor time for both: {time.processor_ms:.2f} ms")
    if space:
        print(
            f"memory over {space.edits} edits of {space.documents} documents: {space.second_quarter_mb:.1f} MB in the"
            f" second quarter, {space.last_quarter_mb:.1f} MB in the last, {space.ratio:.3f} times"
        )
    return 0
