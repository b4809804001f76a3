"""`cg2ls models pull --list`."""

from __future__ import annotations

from cg2ls.commandline import aligned
from cg2ls.jsontext import json_text


def print_sources(*, as_json: bool) -> None:
    """Print the known checkpoints on the hub, and what this machine can run, as a table or JSON."""
    from cg2_quantize.known_sources import LISTED_FORMATS, list_sources
    from cg2_quantize.planning.machine import inspect_machine

    machine = inspect_machine()
    rows = list_sources(machine)
    if as_json:
        print(
            json_text(
                [
                    {
                        "name": row.source.name,
                        "license": row.source.license,
                        "parameters": row.source.parameters,
                        "download_bytes": row.download,
                        "format_bytes": row.formats,
                        "here": row.here,
                        "context": row.context,
                        "max_context": row.source.config.n_positions,
                        "verified": row.source.verified,
                        "quality": row.source.quality,
                    }
                    for row in rows
                ],
                indent=2,
            )
        )
        return
    head = (
        "name",
        "parameters",
        "licence",
        "download",
        *LISTED_FORMATS,
        "this machine runs",
        "verified",
        "quality",
    )
    cells = [
        (
            row.source.name,
            f"{row.source.parameters / 1e9:.2f} B",
            row.source.license,
            f"{row.download / 1e9:.1f} GB",
            *(f"{row.formats[name] / 1e9:.1f} GB" for name in LISTED_FORMATS),
            f"{row.here}{' on the card' * row.card}, {row.context} tokens" if row.here else "none of them",
            row.source.verified,
            row.source.quality or "not looked up",
        )
        for row in rows
    ]
    print(aligned([head, *cells], right={1, 3, *range(4, 4 + len(LISTED_FORMATS))}))
    free = f"{machine.memory / 1e9:.1f} GB of memory"
    card = f", {machine.gpu / 1e9:.1f} GB on {machine.gpu_name}" if machine.gpu else ""
    print(f"Sizes are upper bounds. Free on this machine: {free}{card}.")
    print(
        "Verified: what was compared with the publisher's on random weights; nobody measured the quality here."
    )
