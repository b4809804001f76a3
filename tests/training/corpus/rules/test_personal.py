"""Real addresses give way to reserved ones; what only looks like an address stays."""

from __future__ import annotations

import ast

import pytest

from cg2_training.corpus.draft import SourceDocument
from cg2_training.corpus.rules.personal import EMAIL, IPV4, IPV6, without_personal_data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# by Jane.Doe+x@mail.somewhere.org, 2020", f"# by {EMAIL}, 2020"),
        ("'jane@somewhere.org'", f"'{EMAIL}'"),
        ("<jane@somewhere.co.uk>", f"<{EMAIL}>"),
        ("host = '93.184.216.34'", f"host = '{IPV4}'"),
        ("http://93.184.216.34:80/x", f"http://{IPV4}:80/x"),
        ("'2606:2800:220:1:248:1893:25c8:1946'", f"'{IPV6}'"),
    ],
)
def test_real_addresses_are_replaced(text: str, expected: str) -> None:
    assert without_personal_data(SourceDocument(text, "a.py")).data == expected


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com and other@sub.example.org",
        "@decorator.with_dots",
        "weights@features.mean(0)",
        "a @ b.transpose",
        "git@github.com:someone/thing.git",
        "127.0.0.1, 10.1.2.3, 192.168.1.1, 0.0.0.0, 255.255.255.0, 192.0.2.7",
        "version 1.2.3.4",
        "package==5.15.2.1",
        "1.2.3.4.5 and 1.2.3.400",
        "x[1::2], a[::2], std::vector::size, 10:20:30:40:50",
        "fe80::1 ::1",
    ],
)
def test_what_is_no_real_address_stays(text: str) -> None:
    assert without_personal_data(SourceDocument(text, "a.py")).data == text


def test_code_still_parses() -> None:
    text = "x = ['jane@somewhere.org', '93.184.216.34']  # jane@somewhere.org\ny = w@x.shape\n"
    ast.parse(without_personal_data(SourceDocument(text, "a.py")).text)
