from email.parser import Parser

import pytest

from cg2_training.corpus.licences import declared_licence, is_allowed
from cg2_training.corpus.wheels import pin_wheel
from cg2_training.errors import LicenceError
from tests.training.corpus.corpus_samples import make_wheel, module

ENDORSE = "Neither the name of X may be used to\nendorse or promote products."
APACHE = "Classifier: License :: OSI Approved :: Apache Software License"


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "MIT OR GPL-2.0-only",
        "BSD-3-Clause AND 0BSD AND (Zlib OR MIT)",
        "(MIT AND ISC) OR LGPL-3.0",
        "BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1",
    ],
)
def test_permissive_licences_are_allowed(expression):
    assert is_allowed(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "MPL-2.0",
        "MIT AND LGPL-3.0",
        "(MIT",
        "MIT)",
        "MIT ISC",
        "MIT AND",
        "MIT OR",
        "GPL-3.0-only WITH Classpath-exception-2.0",
        "the MIT license",
        "(" * 5000 + "MIT" + ")" * 5000,
    ],
)
def test_other_licences_are_refused(expression):
    assert not is_allowed(expression)


@pytest.mark.parametrize(
    ("metadata", "text", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0", "", "MIT OR Apache-2.0"),
        ("Classifier: License :: OSI Approved :: BSD License", ENDORSE, "BSD-3-Clause"),
        ("Classifier: License :: OSI Approved :: BSD License", "Redistribution is permitted", "BSD-2-Clause"),
        ("License: Apache License, Version 2.0", "", "Apache-2.0"),
        ("License: BSD", ENDORSE, "BSD-3-Clause"),
        (
            f"Classifier: License :: OSI Approved :: MIT License\n{APACHE}",
            "",
            "Apache-2.0 OR MIT",
        ),
        ("License: see the file", "", None),
        ("Summary: nothing said", "", None),
    ],
)
def test_licences_that_metadata_declares_are_found(metadata, text, expected):
    assert declared_licence(Parser().parsestr(metadata + "\n\n"), text) == expected


def test_copyleft_and_permissive_classifiers_together_are_refused():
    metadata = (
        "Classifier: License :: OSI Approved :: MIT License\n"
        "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)\n\n"
    )
    with pytest.raises(LicenceError, match="not permissive"):
        declared_licence(Parser().parsestr(metadata), "")


def test_pinning_needs_a_known_licence(tmp_path):
    wheel = make_wheel(tmp_path, "alpha", {"alpha/core.py": module("core")}, "Summary: x")
    with pytest.raises(LicenceError, match="names no licence"):
        pin_wheel(wheel)
    assert pin_wheel(wheel, licence="ISC").licence == "ISC"
