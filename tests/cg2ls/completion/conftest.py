"""Cursor art, and an engine with scripted answers over a tokenizer with one token per byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cg2ls.completion.postprocess.rule import Apply, Candidate, RuleContext
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger import choose_extent
from cg2ls.engine.request import Request, Step
from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.models.folder.description import Architecture, Infill, ModelDescription


def byte_tokenizer() -> CodeTokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<sep>", "<eom>", "<mask_2>", "<mask_1>"]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in special])
    return CodeTokenizer(tokenizer)


@dataclass
class ScriptedEngine:
    """An engine that writes `answer`, one byte per step, and records its requests."""

    tokenizer: CodeTokenizer
    model: ModelDescription
    answer: str = ""
    logprob: float = -0.001
    requests: list[Request] = field(default_factory=list)
    generated: int = 0

    @property
    def context_length(self) -> int:
        return self.model.context_length

    @property
    def prompt(self) -> str:
        """The last prompt as text, with | for special tokens."""
        special = self.tokenizer.special
        return "".join(
            "|" if special.is_stop(token) else self.tokenizer.decode([token])
            for token in self.requests[-1].prompt
        )

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        self.requests.append(request)
        self.generated = 0
        data = request.forced + self.answer.encode()
        for token in self.tokenizer.encode(data.decode())[: request.max_tokens]:
            if stop():
                return
            self.generated += 1
            yield Step(token, self.tokenizer.decode_bytes([token]), self.logprob)


def description(
    tokenizer: CodeTokenizer, *, context_length: int, infill: Infill, header: str
) -> ModelDescription:
    return ModelDescription(
        name="scripted",
        architecture=Architecture(
            n_layer=1,
            n_embd=8,
            n_head=1,
            head_dim=8,
            rotary_dim=4,
            n_inner=32,
            vocab_size=tokenizer.special.vocab_size,
            qkv_groups=1,
        ),
        context_length=context_length,
        tokens=tokenizer.special,
        precision="fp32",
        infill=infill,
        document_header=header,
    )


Scripted = Callable[..., ScriptedEngine]


@pytest.fixture(scope="session")
def encode() -> Callable[[str], list[int]]:
    return byte_tokenizer().encode


@pytest.fixture
def scripted() -> Scripted:
    """Return a function that makes an engine with a given answer."""
    tokenizer = byte_tokenizer()

    def make(
        answer: str = "",
        *,
        context_length: int = 4000,
        anchor_max_tokens: int = 64,
        objectives: tuple[str, ...] = ("causal", "span_corruption"),
        header: str = "",
        logprob: float = -0.001,
    ) -> ScriptedEngine:
        infill = Infill(objectives=objectives, character_cuts=True, anchor_max_tokens=anchor_max_tokens)
        model = description(tokenizer, context_length=context_length, infill=infill, header=header)
        return ScriptedEngine(tokenizer, model, answer, logprob)

    return make


Passes = Callable[..., Candidate]


@pytest.fixture(scope="session")
def passes() -> Passes:
    """Return a function that applies one rule to an answer at the ‸ of cursor art."""

    def apply(
        rule: Apply,
        art: str,
        answer: str,
        *,
        ended: bool = True,
        ended_by_model: bool = False,
        language: str = "",
        **more,
    ) -> Candidate:
        cursor = Cursor.at(art.replace("‸", ""), art.index("‸"))
        more.setdefault("extent", choose_extent(cursor, language))
        return rule(
            Candidate(answer, ended, ended_by_model=ended_by_model),
            RuleContext(cursor=cursor, language=language, **more),
        )

    return apply
