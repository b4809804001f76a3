"""Keys and tokens give way to a word, and code stays code."""

from __future__ import annotations

import ast

import pytest

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.rules.secrets import PLACEHOLDER, without_secrets

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
    result = without_secrets(SourceDocument(line.format(key), "a.py"))
    assert isinstance(result, SourceDocument)
    assert key not in result.text
    assert PLACEHOLDER in result.text
    ast.parse(result.text)


def test_a_password_in_an_address_is_replaced() -> None:
    result = without_secrets(SourceDocument('url = "https://someone:hunter2pass@host.example/x"', "a.py"))
    assert isinstance(result, SourceDocument)
    assert "hunter2pass" not in result.text
    ast.parse(result.text)


def test_a_document_with_a_private_key_is_left_out() -> None:
    text = 'KEY = """-----BEGIN RSA ' + 'PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n"""'
    assert without_secrets(SourceDocument(text, "a.py")) == Dropped("private key")


@pytest.mark.parametrize(
    "text",
    ["sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'", "password = input()"],
)
def test_digests_and_talk_of_passwords_stay(text: str) -> None:
    draft = SourceDocument(text, "a.py")
    assert without_secrets(draft) is draft
