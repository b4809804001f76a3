"""Keys, tokens and real addresses are replaced, and code still parses."""

from __future__ import annotations

import ast

import pytest

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.rules.redaction import (
    EXAMPLE_EMAIL,
    EXAMPLE_IPV4,
    EXAMPLE_IPV6,
    REDACTED,
    redact_personal_data,
    redact_secrets,
)

# Spelled in two parts, so that no scanner takes this file for a leak.
KEYS = [
    "AKIA" + "IOSFODNN7EXAMPL2",
    "ghp_" + "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8",
    "glpat-" + "abcdefghij0123456789",
    "xoxb-" + "123456789012-1234567890123-abcdefghijklmnopqrstuvwx",
    "sk_live_" + "abcdefghijklmnopqrstuvwx",
    "SG." + "abcdefghijklmnopqrstuv." + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "pypi-AgE" + "IcHlwaS5vcmcC" + "A" * 70,
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:6])
@pytest.mark.parametrize("line", ['token = "{}"', "x = 1  # {}", "call('{}', 2)"])
def test_a_key_is_replaced_and_the_line_parses(key: str, line: str) -> None:
    result = redact_secrets(SourceDocument(line.format(key), "a.py"))
    assert isinstance(result, SourceDocument)
    assert key not in result.text
    assert REDACTED in result.text
    ast.parse(result.text)


def test_a_password_in_an_address_is_replaced() -> None:
    result = redact_secrets(SourceDocument('url = "https://someone:hunter2pass@host.example/x"', "a.py"))
    assert isinstance(result, SourceDocument)
    assert "hunter2pass" not in result.text
    ast.parse(result.text)


def test_a_document_with_a_private_key_is_left_out() -> None:
    text = 'KEY = """-----BEGIN RSA ' + 'PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n"""'
    assert redact_secrets(SourceDocument(text, "a.py")) == Dropped("private key")


@pytest.mark.parametrize(
    "text",
    ["sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'", "password = input()"],
)
def test_digests_and_password_code_are_kept(text: str) -> None:
    document = SourceDocument(text, "a.py")
    assert redact_secrets(document) is document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# by Jane.Doe+x@mail.somewhere.org, 2020", f"# by {EXAMPLE_EMAIL}, 2020"),
        ("'jane@somewhere.org'", f"'{EXAMPLE_EMAIL}'"),
        ("<jane@somewhere.co.uk>", f"<{EXAMPLE_EMAIL}>"),
        ("host = '93.184.216.34'", f"host = '{EXAMPLE_IPV4}'"),
        ("http://93.184.216.34:80/x", f"http://{EXAMPLE_IPV4}:80/x"),
        ("'2606:2800:220:1:248:1893:25c8:1946'", f"'{EXAMPLE_IPV6}'"),
    ],
)
def test_real_addresses_are_replaced(text: str, expected: str) -> None:
    assert redact_personal_data(SourceDocument(text, "a.py")).data == expected


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
def test_similar_text_is_kept(text: str) -> None:
    assert redact_personal_data(SourceDocument(text, "a.py")).data == text


def test_code_still_parses() -> None:
    text = "x = ['jane@somewhere.org', '93.184.216.34']  # jane@somewhere.org\ny = w@x.shape\n"
    ast.parse(redact_personal_data(SourceDocument(text, "a.py")).text)
