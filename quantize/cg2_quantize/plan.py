"""`--format auto`: the best format that fits this machine, and the sum that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import Format, format_of

if TYPE_CHECKING:
    from cg2_quantize.machine import Machine
    from cg2ls.codegen2 import CodeGenConfig

SHARE = 0.9
"""Of the free memory that a plan may take."""

WORKSPACE_TOKENS = 128
"""Tokens of a call; their activations, and logits of one, are what a call needs besides weights and cache."""

RUNTIME_BYTES = 300 << 20
"""What ONNX Runtime and, on a card, the CUDA context and libraries take; not measured per machine."""

LEAST_CONTEXT = 512
"""Tokens; a plan lowers the context to no less."""

KV_BYTES = {"float32": 4, "float16": 2, "int8": 1}

ON_CARD = ("fp16", "int8", "int4")
ON_PROCESSOR = (("int8", None), ("int8", "int8"), ("int4", None), ("int4", "int8"))
"""Formats, and of the cache, from the best to the smallest."""


@dataclass(frozen=True)
class Plan:
    """A format and what it takes, bytes.

    Attributes:
        chosen: the format.
        context: tokens of prompt and answer together.
        weights: of the weight file.
        cache: keys and values of the whole context.
        workspace: activations of a call, logits and the runtime.
        budget: what may be used.
        place: "this NVIDIA card" or "this processor", with its free memory.
    """

    chosen: Format
    context: int
    weights: int
    cache: int
    workspace: int
    budget: int
    place: str

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.workspace

    def __str__(self) -> str:
        parts = f"{_gb(self.weights)} weights + {_gb(self.cache)} cache of {self.context} tokens"
        return (
            f"{self.chosen.name} ({self.chosen.kv} cache) for {self.place}: {parts} +"
            f" {_gb(self.workspace)} workspace = {_gb(self.total)} of {_gb(self.budget)}"
        )


def plan(config: CodeGenConfig, machine: Machine) -> Plan:
    """The first format that fits: larger weights before smaller, then a smaller cache, then half the context.

    Raises:
        QuantizeError: none fits.
    """
    budget = int(SHARE * (machine.gpu or machine.memory))
    on_card = f"{machine.gpu_name} ({_gb(machine.gpu)} free)"
    place = on_card if machine.gpu else f"the processor ({_gb(machine.memory)} free)"
    formats = (
        [format_of(name, target="cuda") for name in ON_CARD]
        if machine.gpu
        else [format_of(name, kv=kv) for name, kv in ON_PROCESSOR]
    )
    tried = None
    context = config.n_positions
    while True:
        for chosen in formats:
            tried = _sum(config, chosen, context, budget, place)
            if tried.total <= budget:
                return tried
        if context // 2 < min(LEAST_CONTEXT, config.n_positions):
            raise QuantizeError(f"No format fits: the smallest would be {tried}; use a smaller model.")
        context //= 2


def _sum(config: CodeGenConfig, chosen: Format, context: int, budget: int, place: str) -> Plan:
    ends = 2 * config.vocab_size * config.n_embd
    element = chosen.floats.itemsize
    activations = (
        WORKSPACE_TOKENS * (4 * config.n_embd + 2 * config.n_inner + config.n_head * context) * element
    )
    return Plan(
        chosen=chosen,
        context=context,
        weights=chosen.most_bytes(config.n_parameters - ends, ends),
        cache=2 * config.n_layer * config.n_embd * context * KV_BYTES[chosen.kv],
        workspace=activations + config.vocab_size * 4 + RUNTIME_BYTES,
        budget=budget,
        place=place,
    )


def _gb(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"
