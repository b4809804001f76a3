"""The first lines of a file: licences that forbid its use, and long banners."""

import pytest

from cg2_training.corpus.rules.licence import forbids_use, strip_banner, strip_c_banner
from tests.training.corpus.corpus_samples import module

TEXT = module("core")


@pytest.mark.parametrize(
    "header",
    [
        "# This is free software under the GNU Lesser General Public License",
        "# SPDX-License-Identifier: GPL-2.0-only",
        "# SPDX-License-Identifier: AGPL-3.0",
        "# SPDX-License-Identifier: MPL-2.0",
        "# CC-BY-SA 4.0",
        "# Copyright 2020 Somebody. All rights reserved.",
        "# Proprietary and confidential",
    ],
)
def test_headers_that_forbid_use(header):
    assert forbids_use(header + "\n" + TEXT)


@pytest.mark.parametrize(
    "header",
    [
        "# Copyright 2020 Somebody. All rights reserved.\n# Use is governed by a BSD-style license.",
        "# SPDX-License-Identifier: Apache-2.0",
        "import matplotlib as mpl",
    ],
)
def test_headers_that_allow_use(header):
    assert not forbids_use(header + "\n" + TEXT)


def test_parts_under_share_alike_terms_count_anywhere():
    assert forbids_use(TEXT * 5 + "# adapted from https://stack" + "overflow.com/a/1\n")
    assert forbids_use(TEXT * 5 + "# licensed under a Creative Commons Attribution-ShareAlike 4.0\n")
    assert not forbids_use(TEXT * 5 + "# see https://stack" + "overflow.com/a/1\n# tests for the GPL text\n")


BANNER = "# Copyright 2020 A\n#\n" + "# Licensed under the Apache License, Version 2.0\n" * 8


def test_a_long_licence_banner_is_removed_and_first_lines_stay():
    first = "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n"
    assert strip_banner(first + BANNER + "\n\n" + TEXT) == first + TEXT
    assert (
        strip_banner(BANNER + "\n# What follows adds numbers.\n" + TEXT)
        == "# What follows adds numbers.\n" + TEXT
    )


def test_short_banners_and_long_remarks_stay():
    short = "# Copyright 2020 A\n# License: MIT\n" + TEXT
    remark = "# This module adds numbers.\n" * 12 + TEXT
    assert strip_banner(short) == short
    assert strip_banner(remark) == remark


C_BANNER = "Copyright 2020 Someone. Permission is granted to use this software.\n"


@pytest.mark.parametrize(
    "banner",
    [
        "/*\n" + f" * {C_BANNER}" * 9 + " */\n",
        f"// {C_BANNER}" * 9,
        f"/* {C_BANNER} */\n" + f"// {C_BANNER}" * 8,
        "\n\n/**\n" + f" * {C_BANNER}" * 9 + " */\n\n",
    ],
)
def test_a_long_licence_comment_of_c_is_removed(banner: str) -> None:
    code = "// What it does.\nint main() { return 0; }\n"
    assert strip_c_banner(banner + "\n" + code) == code


@pytest.mark.parametrize(
    "text",
    [
        f"// {C_BANNER}int x;\n",
        "/*\n" + " * What this file does, in many words.\n" * 12 + " */\nint x;\n",
        "int x;\n" + f"// {C_BANNER}" * 12,
        "",
        "/* copyright, never closed",
    ],
)
def test_other_comments_of_c_stay(text: str) -> None:
    assert strip_c_banner(text) == text
