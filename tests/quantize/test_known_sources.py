"""The list of `cg2ls models pull --list`."""

from __future__ import annotations

import pytest

from cg2_quantize.hub import NAME_ON_HUB
from cg2_quantize.known_sources import SOURCES, list_sources
from cg2_quantize.planning.machine import Machine

PUBLISHED = {
    "Salesforce/codegen2-1B_P": 1_015_306_240,
    "Salesforce/codegen2-3_7B_P": 3_641_174_016,
    "Salesforce/codegen2-7B_P": 6_862_858_240,
    "Salesforce/codegen2-16B_P": 16_032_155_648,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_have_the_published_number_of_parameters(name):
    source = next(source for source in SOURCES if source.name == name)
    assert source.config.n_parameters == PUBLISHED[name]


def test_names_are_names_on_the_hub_and_stand_once():
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    assert all(NAME_ON_HUB.fullmatch(name) for name in names)


def test_what_runs_depends_on_the_machine():
    small = {row.source.name: row for row in list_sources(Machine(memory=4 << 30))}
    assert small["Salesforce/codegen2-1B_P"].here == "int8"
    assert small["Salesforce/codegen2-16B_P"].here == ""
    card = {row.source.name: row for row in list_sources(Machine(memory=4 << 30, gpu=80 << 30, gpu_name="A"))}
    assert (card["Salesforce/codegen2-16B_P"].here, card["Salesforce/codegen2-16B_P"].card) == ("fp16", True)


def test_smaller_formats_are_smaller():
    for row in list_sources(Machine(memory=64 << 30)):
        assert row.formats["int4"] < row.formats["int8"] < row.download
