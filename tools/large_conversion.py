"""Print the costs of converting a large checkpoint: peak memory of one process and seconds, on shards of zeros.

    python tools/large_conversion.py 16B --format int4
    python tools/large_conversion.py 1B --format int8
    python tools/large_conversion.py 350M --format int8 --speed

The shards are sparse files; the model folder takes space. Both are removed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import write_sparse_checkpoint
from cg2_quantize.known_sources import make_codegen2_shape
from cg2_quantize.verification.speed import measure_speed

SHAPES = {
    "350M": (20, 1024, 16, 4),
    "1B": (16, 2048, 16, 8),
    "3.7B": (16, 4096, 16, 8),
    "7B": (32, 4096, 16, 4),
    "16B": (34, 6144, 24, 4),
}
"""Layers, width, heads and qkv groups of CodeGen's 350M and CodeGen2's models."""


class MemoryWatch(threading.Thread):
    """Thread that records the maximum anonymous memory of this process, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.max_bytes = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Read the memory twenty times a second."""
        while not self.ended.wait(0.05):
            lines = Path("/proc/self/status").read_text().splitlines()
            self.max_bytes = max(
                self.max_bytes, *(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))
            )


def main() -> None:
    """Convert and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", choices=SHAPES)
    parser.add_argument("--format", default="int4")
    parser.add_argument("--layers", type=int, help="fewer blocks: the same memory in less time")
    parser.add_argument("--speed", action="store_true", help="also run the model")
    parser.add_argument(
        "--scratch", type=Path, help="where to write (default: the system's temporary folder)"
    )
    options = parser.parse_args()
    config = make_codegen2_shape(*SHAPES[options.size])
    config = replace(config, n_layer=options.layers or config.n_layer)
    largest = 4 * config.vocab_size * config.n_embd
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="cg2-large-") as scratch:
        write_sparse_checkpoint(Path(scratch) / "checkpoint", config)
        watch = MemoryWatch()
        watch.start()
        began, worked = time.monotonic(), time.process_time()
        wanted = ConversionOptions(precision=options.format)
        report = convert(Path(scratch) / "checkpoint", Path(scratch) / "model", wanted)
        seconds, worked = time.monotonic() - began, time.process_time() - worked
        watch.ended.set()
        speed = asdict(measure_speed(Path(scratch) / "model")) if options.speed else {}
    print(
        json.dumps(
            {
                "size": options.size,
                "format": options.format,
                "parameters": report.parameters,
                "bytes": report.bytes,
                "seconds": round(seconds, 1),
                "processor_seconds": round(worked, 1),
                "peak_anonymous_bytes": watch.max_bytes,
                "bound_bytes": int(1.3 * largest + 2e9),
            }
            | speed
        )
    )


if __name__ == "__main__":
    main()
