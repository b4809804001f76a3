"""Whether a conversion fits: the plan of `--format auto`, and the checks before anything is written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import Format, select_format
from cg2_quantize.planning.machine import inspect_machine
from cg2ls.files import check_replaceable
from cg2ls.models.folder.description import LEAST_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cg2_quantize.formats import Format
    from cg2_quantize.planning.machine import Machine
    from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer

SHARE = 0.9
"""Of the free memory that a plan may take."""

WORKSPACE_TOKENS = 128
"""Tokens of a call; their activations, and logits of one, are what a call needs besides weights and cache."""

RUNTIME_BYTES = 300 << 20
"""What ONNX Runtime and, on a card, the CUDA context and libraries take; not measured per machine."""

MIN_PLANNED_CONTEXT = 512
"""Tokens; a plan lowers the context to no less."""

KV_BYTES = {"float32": 4, "float16": 2, "int8": 1}

ON_CARD = ("fp16", "int8", "int4")
ON_PROCESSOR = (("int8", None), ("int8", "int8"), ("int4", None), ("int4", "int8"))
"""Formats, and of the cache, from the best to the smallest."""

PROVIDER = "pip install 'cg2ls[gpu]'"


@dataclass(frozen=True)
class PlanRequest:
    """What was asked for beside `--format auto`; a plan offers nothing else.

    Attributes:
        target: "cpu" or "cuda"; None for either.
        portable: whether in standard operators only.
        kv: "float" or "int8"; None for either.
        calibrated: whether int4's ranges are to be calibrated, which only int4 has.
        genai: whether onnxruntime-genai is to run it, which takes a processor and a float cache.
    """

    target: str | None = None
    portable: bool = False
    kv: str | None = None
    calibrated: bool = False
    genai: bool = False

    @property
    def processor_only(self) -> str:
        """The option that only a processor can fulfil; "" where there is none."""
        options = {"--portable": self.portable, "--kv int8": self.kv == "int8", "--genai": self.genai}
        return next((option for option, given in options.items() if given), "")


@dataclass(frozen=True)
class FormatPlan:
    """A format and what it takes, bytes.

    Attributes:
        chosen: the format.
        context: tokens of prompt and answer together.
        weights: of the weight file.
        cache: keys and values of the whole context.
        workspace: activations of a call, logits and the runtime.
        budget: what may be used.
        place: the card's name or "the processor", with its free memory.
        reason: why it is not the card, where there is one; "" else.
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
        """All of it."""
        return self.weights + self.cache + self.workspace

    def __str__(self) -> str:
        parts = f"{_gb(self.weights)} weights + {_gb(self.cache)} cache of {self.context} tokens"
        why = f"; {self.reason}" if self.reason else ""
        return (
            f"{self.chosen.name} ({self.chosen.kv} cache) for {self.place}: {parts} +"
            f" {_gb(self.workspace)} workspace = {_gb(self.total)} of {_gb(self.budget)}{why}"
        )


def make_plan(config: CodeGenConfig, machine: Machine, request: PlanRequest | None = None) -> FormatPlan:
    """The first format that fits: larger weights before smaller, then a smaller cache, then half the context.

    A card goes before the processor, which is taken where no format fits the card.

    Args:
        config: the model's shape.
        machine: what is free.
        request: options given beside `--format auto`.

    Raises:
        QuantizeError: none fits, or two options cannot go together.
    """
    request = request or PlanRequest()
    obstacle = _card_obstacle(machine, request)
    if request.target == "cuda" and obstacle:
        raise QuantizeError(f"--format auto finds nothing for --for cuda: {obstacle}; name a format instead.")
    tried: list[FormatPlan] = []
    if not obstacle:
        formats = [select_format("int4", target="cuda", calibrated=True)] if request.calibrated else []
        formats = formats or [select_format(name, target="cuda") for name in ON_CARD]
        place = f"{machine.gpu_name} ({_gb(machine.gpu)} free)"
        found = _first(config, formats, int(SHARE * machine.gpu), place)
        if found.total <= found.budget:
            return found
        tried.append(found)
        obstacle = f"on {machine.gpu_name} the smallest would take {_gb(found.total)} of {_gb(found.budget)}"
    if request.target != "cuda":
        found = _on_processor(config, machine, request, obstacle if machine.gpu else "")
        if found.total <= found.budget:
            return found
        tried.append(found)
    said = "; ".join(str(plan_) for plan_ in tried[-1:])
    raise QuantizeError(f"No format fits: the smallest would be {said}; use a smaller model.")


def _card_obstacle(machine: Machine, request: PlanRequest) -> str:
    """Why the card is out of the question; "" where it is not."""
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
        raise QuantizeError(
            "The system does not tell how much memory is free; name a format instead of auto."
        )
    only_float = request.kv == "float" or (request.kv is None and (request.portable or request.genai))
    wanted_kv = ["int8"] if request.kv == "int8" else [None] if only_float else [None, "int8"]
    formats = [
        select_format(name, target="cpu", kv=kv, portable=request.portable, calibrated=request.calibrated)
        for name, kv in ON_PROCESSOR
        if kv in wanted_kv and (name == "int4" or not request.calibrated)
    ]
    limit = f", {machine.limit}" if machine.limit else ""
    place = f"the processor ({_gb(machine.memory)} free{limit})"
    found = _first(config, formats, int(SHARE * machine.memory), place)
    return replace(found, reason=reason)


def _first(config: CodeGenConfig, formats: Sequence[Format], budget: int, place: str) -> FormatPlan:
    """The first that fits, with half the context where none does; the smallest tried, where that does not help."""
    context = config.n_positions
    while True:
        for chosen in formats:
            tried = _sum(config, chosen, context, budget, place)
            if tried.total <= budget:
                return tried
        if context // 2 < min(MIN_PLANNED_CONTEXT, config.n_positions):
            return tried
        context //= 2


def _sum(config: CodeGenConfig, chosen: Format, context: int, budget: int, place: str) -> FormatPlan:
    ends = 2 * config.vocab_size * config.n_embd
    element = chosen.floats.itemsize
    activations = (
        WORKSPACE_TOKENS * (4 * config.n_embd + 2 * config.n_inner + config.n_head * context) * element
    )
    return FormatPlan(
        chosen=chosen,
        context=context,
        weights=chosen.max_bytes(config.n_parameters - ends, ends),
        cache=2 * config.n_layer * config.n_embd * context * KV_BYTES[chosen.kv],
        workspace=activations + config.vocab_size * 4 + RUNTIME_BYTES,
        budget=budget,
        place=place,
    )


def _gb(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"


COPIES = 2.3
"""Of the largest tensor in float32 that are in memory at once: as read, as written, and what threads work on."""

BASE_BYTES = 400 << 20
"""Python, numpy and onnx."""

ATTENTION_UNIT = 16
"""Channels; the head size and the rotated part of it are multiples of this in GroupQueryAttention."""


def check_output(folder: Path, *, force: bool, proof: str) -> None:
    """Refuses to overwrite a folder, and with `force` one that is not of the kind that has a file `proof`.

    Raises:
        OutputError: the folder is of another kind.
        QuantizeError: it is there, and there is no `force`.
    """
    check_replaceable(folder, proof)
    if not force and folder.exists() and any(folder.iterdir()):
        raise QuantizeError(f"{folder} exists; replace it with --force, or choose another name with -o.")


def check_space(folder: Path, need: int) -> None:
    """Refuses when the disk of `folder` has fewer than `need` bytes free.

    Raises:
        QuantizeError: see above.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < need:
        raise QuantizeError(
            f"{folder} needs up to {need / 1e6:.0f} MB, but its disk has {free / 1e6:.0f} MB free;"
            " make room or choose another disk with -o."
        )


def check_memory(config: CodeGenConfig) -> None:
    """Refuses when this machine has less memory free than rounding the largest tensor takes.

    Raises:
        QuantizeError: see above.
    """
    largest = 4 * max(config.vocab_size * config.n_embd, config.n_inner * config.n_embd)
    need, free = int(COPIES * largest) + BASE_BYTES, inspect_machine().memory
    if 0 < free < need:
        raise QuantizeError(
            f"Converting this model needs {need / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free;"
            " close something, or convert it on a larger machine."
        )


def check_context(context: int | None) -> None:
    """Refuses a context that was asked for and is too short to complete in.

    Raises:
        QuantizeError: see above.
    """
    if context is not None and context < LEAST_CONTEXT:
        raise QuantizeError(
            f"--context {context} is too short: completing needs {LEAST_CONTEXT} tokens at least."
        )


def check_shape(config: CodeGenConfig, chosen: Format) -> None:
    """Refuses what could be written but not run.

    Raises:
        QuantizeError: the head size or its rotated part is no multiple of 16, which ONNX Runtime's
            GroupQueryAttention needs, or the context is too short to complete in.
    """
    if config.n_positions < LEAST_CONTEXT:
        raise QuantizeError(
            f"The model's context is {config.n_positions} tokens, but completing needs {LEAST_CONTEXT} at least."
        )
    for name, size in (("head size", config.head_dim), ("rotary_dim", config.rotary_dim)):
        if size % ATTENTION_UNIT and not chosen.portable:
            raise QuantizeError(
                f"The model's {name} is {size}, but ONNX Runtime needs a multiple of {ATTENTION_UNIT};"
                " this shape can be converted with --portable only."
            )


def check_vocabulary(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> None:
    """Refuses a tokenizer of another vocabulary size than the model's.

    Raises:
        QuantizeError: see above.
    """
    if tokenizer.special.vocab_size != checkpoint.config.vocab_size:
        raise QuantizeError(
            f"{tokenizer.origin} has {tokenizer.special.vocab_size} tokens, but the model has"
            f" {checkpoint.config.vocab_size}; put the tokenizer.json that the model was trained with into"
            f" {checkpoint.folder}."
        )
