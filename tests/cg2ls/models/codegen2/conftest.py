"""The published CodeGen2 tokenizer, rebuilt from GPT-2's own vocabulary."""

from __future__ import annotations

import pytest

from cg2_quantize.checkpoint.published_tokenizers import build_codegen2_tokenizer
from cg2ls.models.codegen2 import CodeTokenizer


@pytest.fixture(scope="session")
def published() -> CodeTokenizer:
    return CodeTokenizer(build_codegen2_tokenizer())
