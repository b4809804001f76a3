"""The list of `cg2ls models pull --list`."""

from __future__ import annotations

import pytest

from cg2_quantize.hub import NAME_ON_HUB
from cg2_quantize.known_sources import SOURCES, find_infill, list_sources
from cg2_quantize.planning.machine import Machine
from cg2ls.models.codegen2.infill_tokens import StatedLayout

PUBLISHED = {
    "Salesforce/codegen2-1B_P": 1_015_306_240,
    "Salesforce/codegen2-3_7B_P": 3_641_174_016,
    "Salesforce/codegen2-7B_P": 6_862_858_240,
    "Salesforce/codegen2-16B_P": 16_032_155_648,
    "Qwen/Qwen2.5-Coder-0.5B": 494_032_768,
    "Qwen/Qwen2.5-Coder-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-Coder-3B": 3_085_938_688,
    "Qwen/Qwen2.5-Coder-7B": 7_615_616_512,
    "Qwen/Qwen2.5-Coder-14B": 14_770_033_664,
    "deepseek-ai/deepseek-coder-1.3b-base": 1_346_471_936,
    "deepseek-ai/deepseek-coder-6.7b-base": 6_740_512_768,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_have_the_published_number_of_parameters(name):
    source = next(source for source in SOURCES if source.name == name)
    assert source.parameters == PUBLISHED[name]


def test_names_are_valid_on_the_hub_and_unique():
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    assert all(NAME_ON_HUB.fullmatch(name) for name in names)


def test_codegen2_comes_first_and_every_row_states_what_was_verified():
    families = [source.config.family for source in SOURCES]
    assert families[0] == "codegen2"
    assert families.index("qwen2") > families.index("codegen2.5")
    assert all(source.license and source.verified for source in SOURCES)


def test_a_layout_that_no_tokenizer_shows_is_in_the_table():
    layout = StatedLayout.parse(find_infill("JetBrains/Mellum-4b-base"))
    assert layout.order == "spm"
    assert find_infill("Qwen/Qwen2.5-Coder-0.5B") == find_infill("nobody/nothing") == ""


def test_a_long_context_is_listed_as_it_would_be_converted():
    rows = {row.source.name: row for row in list_sources(Machine(memory=64 << 30))}
    assert rows["Qwen/Qwen2.5-Coder-0.5B"].context == 2048


def test_runnable_formats_depend_on_the_machine():
    small = {row.source.name: row for row in list_sources(Machine(memory=4 << 30))}
    assert small["Salesforce/codegen2-1B_P"].here == "int8"
    assert small["Salesforce/codegen2-16B_P"].here == ""
    card = {row.source.name: row for row in list_sources(Machine(memory=4 << 30, gpu=80 << 30, gpu_name="A"))}
    assert (card["Salesforce/codegen2-16B_P"].here, card["Salesforce/codegen2-16B_P"].card) == ("fp16", True)


def test_smaller_formats_are_smaller():
    for row in list_sources(Machine(memory=64 << 30)):
        assert row.formats["int4"] < row.formats["int8"] < row.download
