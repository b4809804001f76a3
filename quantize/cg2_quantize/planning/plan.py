"""The plan of `--format auto`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import Format, select_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2_quantize.formats import Format
    from cg2_quantize.planning.machine import Machine
    from cg2ls.models.codegen2 import CodeGenConfig

MEMORY_SHARE = 0.9
"""Share of the free memory that a plan may take."""

WORKSPACE_TOKENS = 128
"""Tokens of a call. Besides weights and cache, a call needs their activations and the logits of one token."""

RUNTIME_BYTES = 300 << 20
"""Estimated memory of ONNX Runtime and, on a card, of the CUDA context and libraries."""

MIN_PLANNED_CONTEXT = 512
"""Tokens; a plan does not lower the context below this."""

KV_BYTES = {"float32": 4, "float16": 2, "int8": 1}

ON_CARD = ("fp16", "int8", "int4")
ON_PROCESSOR = (
    *(("int8", None), ("int8", "int8"), ("int6", None), ("int6", "int8")),
    *(("int4", None), ("int4", "int8")),
)
"""Formats of weights and of the cache, from the best to the smallest."""

CALIBRATED = ("int6", "int4")
"""Formats whose rounding can compensate its errors."""

PROVIDER = "pip install 'cg2ls[gpu]'"


@dataclass(frozen=True)
class PlanRequest:
    """Options given with `--format auto`, which every plan keeps.

    Attributes:
        target: "cpu" or "cuda"; None for either.
        portable: whether to use standard operators only.
        kv: "float" or "int8"; None for either.
        calibrated: whether rounding compensates its errors, which int6 and int4 can.
        genai: whether onnxruntime-genai will run it, which needs a processor and a float cache.
    """

    target: str | None = None
    portable: bool = False
    kv: str | None = None
    calibrated: bool = False
    genai: bool = False

    @property
    def processor_only(self) -> str:
        """The first option that only a processor can fulfil; "" if there is none."""
        options = {"--portable": self.portable, "--kv int8": self.kv == "int8", "--genai": self.genai}
        return next((option for option, given in options.items() if given), "")


@dataclass(frozen=True)
class FormatPlan:
    """A format and the memory it takes, bytes.

    Attributes:
        chosen: the format.
        context: tokens of prompt and answer together.
        weights: the weight file.
        cache: keys and values of the whole context.
        workspace: activations of a call, logits and the runtime.
        budget: memory that may be used.
        place: the card's name or "the processor", with its free memory.
        reason: why an existing card is not used; "" otherwise.
    """

    chosen: Format
    context: int
    weights: int
    cache: int
    workspace: int
    budget: int
    place: str
    reason: str = ""

    @property
    def total(self) -> int:
        """All memory that the plan takes."""
        return self.weights + self.cache + self.workspace

    def __str__(self) -> str:
        parts = (
            f"{_format_gib(self.weights)} weights + {_format_gib(self.cache)} cache of {self.context} tokens"
        )
        why = f"; {self.reason}" if self.reason else ""
        return (
            f"{self.chosen.name} ({self.chosen.kv} cache) for {self.place}: {parts} +"
            f" {_format_gib(self.workspace)} workspace = {_format_gib(self.total)} of {_format_gib(self.budget)}{why}"
        )


def make_plan(config: CodeGenConfig, machine: Machine, request: PlanRequest | None = None) -> FormatPlan:
    """Return the first format that fits: larger weights first, then a smaller cache, then half the context.

    A card is preferred; the processor is used where no format fits the card.

    Args:
        config: the model's shape.
        machine: its free memory.
        request: options given with `--format auto`.

    Raises:
        QuantizeError: no format fits, or two options exclude each other.
    """
    request = request or PlanRequest()
    obstacle = _card_obstacle(machine, request)
    if request.target == "cuda" and obstacle:
        raise QuantizeError(
            f"--format auto finds nothing for --for cuda: {obstacle}; choose a format instead."
        )
    tried: list[FormatPlan] = []
    if not obstacle:
        formats = [
            select_format(name, target="cuda", calibrated=request.calibrated)
            for name in ON_CARD
            if name in CALIBRATED or not request.calibrated
        ]
        place = f"{machine.gpu_name} ({_format_gib(machine.gpu)} free)"
        found = _first_fitting(config, formats, int(MEMORY_SHARE * machine.gpu), place)
        if found.total <= found.budget:
            return found
        tried.append(found)
        sizes = f"{_format_gib(found.total)} of {_format_gib(found.budget)}"
        obstacle = f"on {machine.gpu_name} the smallest would take {sizes}"
    if request.target != "cuda":
        found = _on_processor(config, machine, request, obstacle if machine.gpu else "")
        if found.total <= found.budget:
            return found
        tried.append(found)
    said = "; ".join(str(plan_) for plan_ in tried[-1:])
    raise QuantizeError(f"No format fits: the smallest would be {said}; use a smaller model.")


def _card_obstacle(machine: Machine, request: PlanRequest) -> str:
    """Return why the card cannot be used; "" if it can."""
    if request.target == "cpu":
        return "--for cpu was given"
    if option := request.processor_only:
        return f"{option} is for processors"
    if not machine.gpu:
        return "no NVIDIA card is found here"
    if not machine.cuda:
        return f"the ONNX Runtime that is installed has no CUDA ({PROVIDER})"
    return ""


def _on_processor(config: CodeGenConfig, machine: Machine, request: PlanRequest, reason: str) -> FormatPlan:
    if request.genai and request.kv == "int8":
        raise QuantizeError("--genai is for a float cache; leave --kv int8 out.")
    if not machine.memory:
        raise QuantizeError("The system does not report its free memory; choose a format instead of auto.")
    only_float = request.kv == "float" or (request.kv is None and (request.portable or request.genai))
    wanted_kv = ["int8"] if request.kv == "int8" else [None] if only_float else [None, "int8"]
    formats = [
        select_format(name, target="cpu", kv=kv, portable=request.portable, calibrated=request.calibrated)
        for name, kv in ON_PROCESSOR
        if kv in wanted_kv
        and (name in CALIBRATED or not request.calibrated)
        and (name != "int6" or not request.portable)
    ]
    limit = f", {machine.limit}" if machine.limit else ""
    place = f"the processor ({_format_gib(machine.memory)} free{limit})"
    found = _first_fitting(config, formats, int(MEMORY_SHARE * machine.memory), place)
    return replace(found, reason=reason)


def _first_fitting(config: CodeGenConfig, formats: Sequence[Format], budget: int, place: str) -> FormatPlan:
    """Return the first plan that fits, halving the context until one does; otherwise the smallest tried."""
    context = config.n_positions
    while True:
        for chosen in formats:
            tried = _sum_up(config, chosen, context, budget, place)
            if tried.total <= budget:
                return tried
        if context // 2 < min(MIN_PLANNED_CONTEXT, config.n_positions):
            return tried
        context //= 2


def _sum_up(config: CodeGenConfig, chosen: Format, context: int, budget: int, place: str) -> FormatPlan:
    ends = 2 * config.vocab_size * config.n_embd
    element = chosen.floats.itemsize
    activations = (
        WORKSPACE_TOKENS * (4 * config.n_embd + 2 * config.n_inner + config.n_head * context) * element
    )
    return FormatPlan(
        chosen=chosen,
        context=context,
        weights=chosen.max_bytes(config.n_parameters - ends, ends),
        cache=2 * config.n_layer * config.kv_width * context * KV_BYTES[chosen.kv],
        workspace=activations + config.vocab_size * 4 + RUNTIME_BYTES,
        budget=budget,
        place=place,
    )


def _format_gib(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"
