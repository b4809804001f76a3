"""`--format auto`: what is chosen for a model and a machine."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from cg2_quantize.errors import QuantizeError
from cg2_quantize.planning.machine import Machine, inspect_machine
from cg2_quantize.planning.plan import MEMORY_SHARE, PlanRequest, make_plan
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.codegen2.config import CODEGEN25

GIB = 1 << 30


def published(layers, width, heads):
    shape = {"n_positions": 2048, "vocab_size": 51200, "rotary_dim": 64}
    return CodeGenConfig(n_layer=layers, n_embd=width, n_head=heads, n_inner=4 * width, **shape)


CODEGEN25_7B = replace(published(32, 4096, 32), n_inner=11008, rotary_dim=128, qkv_groups=1, family=CODEGEN25)
CODEGEN2_1B, CODEGEN2_7B = published(16, 2048, 16), published(32, 4096, 16)


def card(gib):
    return Machine(memory=32 * GIB, gpu=int(gib * GIB), gpu_name="a card")


@pytest.mark.parametrize("config", [CODEGEN2_7B, CODEGEN25_7B])
def test_seven_billion_on_eight_gigabytes_is_int4_with_one_to_spare(config):
    found = make_plan(config, card(8))
    assert found.chosen.name == "int4"
    assert found.chosen.target == "cuda"
    assert found.context == 2048
    assert 8 * GIB - found.total >= GIB
    assert found.total == found.weights + found.cache + found.workspace


@pytest.mark.parametrize(("gib", "name"), [(24, "fp16"), (10, "int8"), (8, "int4"), (6.5, "int4")])
def test_the_largest_format_that_fits_a_card(gib, name):
    found = make_plan(CODEGEN2_7B, card(gib))
    assert found.chosen.name == name
    assert found.total <= MEMORY_SHARE * gib * GIB


def test_the_context_is_halved_before_a_plan_is_refused():
    assert make_plan(CODEGEN2_7B, card(6.5)).context < 2048
    with pytest.raises(QuantizeError, match=r"No format fits: .*512 tokens"):
        make_plan(CODEGEN2_7B, replace(card(5), memory=4 * GIB))


def test_a_processor_gets_int8_then_a_smaller_cache_then_fewer_bits():
    found = [make_plan(CODEGEN2_1B, Machine(memory=int(gib * GIB))) for gib in (8, 1.95, 1.6, 1.4)]
    assert [(p.chosen.name, p.chosen.kv) for p in found] == [
        *(("int8", "float32"), ("int8", "int8")),
        ("int6", "int8"),
        ("int4", "int8"),
    ]


def test_the_sum_can_be_read():
    said = str(make_plan(CODEGEN2_7B, card(8)))
    for part in (
        "int4 (float16 cache)",
        "a card (8.00 GiB free)",
        "1.00 GiB cache of 2048 tokens",
        "of 7.20 GiB",
    ):
        assert part in said


def test_this_machine_has_memory():
    assert inspect_machine().memory > 100 << 20
    assert replace(inspect_machine(), gpu=1).gpu == 1


def processor(gib, **other):
    return Machine(memory=int(gib * GIB), **other)


PLANS = [
    # machine, wanted, format, target, cache, portable, calibrated
    (card(8), PlanRequest(target="cpu"), ("int8", "cpu", "float32", False, False)),
    (card(8), PlanRequest(kv="int8"), ("int8", "cpu", "int8", False, False)),
    (card(8), PlanRequest(portable=True), ("int8", "cpu", "float32", True, False)),
    (card(8), PlanRequest(genai=True), ("int8", "cpu", "float32", False, False)),
    (card(8), PlanRequest(calibrated=True), ("int4", "cuda", "float16", False, True)),
    (card(8), PlanRequest(kv="float"), ("fp16", "cuda", "float16", False, False)),
    (card(8), PlanRequest(target="cuda"), ("fp16", "cuda", "float16", False, False)),
    (processor(8), PlanRequest(calibrated=True), ("int6", "cpu", "float32", False, True)),
    (processor(8), PlanRequest(calibrated=True, kv="int8"), ("int6", "cpu", "int8", False, True)),
    (processor(1.95), PlanRequest(kv="float"), ("int6", "cpu", "float32", False, False)),
    (card(0.2), PlanRequest(), ("int8", "cpu", "float32", False, False)),
    (replace(card(24), cuda=False), PlanRequest(), ("int8", "cpu", "float32", False, False)),
    (processor(4, limit="this container's limit"), PlanRequest(), ("int8", "cpu", "float32", False, False)),
]


@pytest.mark.parametrize(("machine", "wanted", "expected"), PLANS)
def test_a_plan_honours_every_other_option(machine, wanted, expected):
    found = make_plan(CODEGEN2_1B, machine, wanted).chosen
    assert (found.name, found.target, found.kv, found.portable, found.calibrated) == expected


@pytest.mark.parametrize(
    ("machine", "wanted", "says"),
    [
        (processor(8), PlanRequest(target="cuda"), "--for cuda: no NVIDIA card is found here"),
        (card(8), PlanRequest(target="cuda", kv="int8"), "--for cuda: --kv int8 is for processors"),
        (card(8), PlanRequest(target="cuda", portable=True), "--for cuda: --portable is for processors"),
        (card(8), PlanRequest(target="cuda", genai=True), "--for cuda: --genai is for processors"),
        (replace(card(8), cuda=False), PlanRequest(target="cuda"), r"has no CUDA \(pip install"),
        (card(0.2), PlanRequest(target="cuda"), "No format fits"),
        (processor(8), PlanRequest(portable=True, kv="int8"), "leave --kv out here"),
        (processor(8), PlanRequest(portable=True, calibrated=True), "--calibrate is for int4"),
        (processor(8), PlanRequest(genai=True, kv="int8"), "float cache"),
        (processor(0), PlanRequest(), "does not report its free memory"),
        (processor(0.5), PlanRequest(), "No format fits: the smallest would be int4"),
    ],
)
def test_incompatible_options_are_refused(machine, wanted, says):
    with pytest.raises(QuantizeError, match=says):
        make_plan(CODEGEN2_1B, machine, wanted)


def test_a_small_card_is_skipped_with_a_reason():
    said = str(make_plan(CODEGEN2_1B, card(0.2)))
    assert said.startswith("int8 (float32 cache) for the processor (32.00 GiB free)")
    assert "on a card the smallest would take" in said
    assert "of 0.18 GiB" in said


def test_the_sum_names_a_containers_limit_and_a_runtime_without_cuda():
    assert "the processor (4.00 GiB free, this container's limit)" in str(
        make_plan(CODEGEN2_1B, processor(4, limit="this container's limit"))
    )
    assert "has no CUDA" in str(make_plan(CODEGEN2_1B, replace(card(24), cuda=False)))


MACHINES = {
    "a large card": card(24),
    "a small card": card(0.2),
    "a card without CUDA here": replace(card(24), cuda=False),
    "no card": processor(8),
    "a small container": processor(1.5, limit="this container's limit"),
    "a card and unknown memory": Machine(memory=0, gpu=24 * GIB, gpu_name="a card"),
    "unknown memory": processor(0),
}
REQUESTS = [
    PlanRequest(*values)
    for values in product(
        (None, "cpu", "cuda"), (False, True), (None, "float", "int8"), (False, True), (False, True)
    )
]
OPTIONS = ("--for cuda", "--for cpu", "--portable", "--kv", "--calibrate", "--genai")


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("wanted", REQUESTS, ids=str)
def test_every_set_of_options_is_honoured_or_refused_by_name(machine, wanted):
    try:
        found = make_plan(CODEGEN2_1B, machine, wanted)
    except QuantizeError as error:
        said = str(error)
        assert said.endswith(".")
        if "No format fits" not in said and "does not report its free memory" not in said:
            assert any(option in said for option in OPTIONS), said
        assert machine.memory < 8 * GIB or wanted.target == "cuda" or excludes_itself(wanted), said
        return
    chosen = found.chosen
    assert not excludes_itself(wanted)
    assert found.total <= found.budget
    assert wanted.target in (None, chosen.target)
    assert chosen.portable == wanted.portable
    assert chosen.calibrated == wanted.calibrated
    assert wanted.kv is None or (chosen.kv == "int8") == (wanted.kv == "int8")
    assert not wanted.genai or (chosen.target, chosen.kv) == ("cpu", "float32")
    assert chosen.target == "cpu" or (machine.gpu and machine.cuda)


def excludes_itself(wanted):
    """Whether no machine can fulfil these options together."""
    return (
        (wanted.kv == "int8" and (wanted.portable or wanted.genai))
        or (wanted.portable and wanted.calibrated)
        or (wanted.target == "cuda" and bool(wanted.processor_only))
    )
