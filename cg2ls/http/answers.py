"""Bodies of answers: llama.cpp's `/infill` and OpenAI's completions, whole or as server-sent events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cg2ls.engine.request import Timing
    from cg2ls.http.completer import Answer
    from cg2ls.http.query import Query

DONE = "[DONE]"
"""Last event of OpenAI's streams."""


def infill_body(answer: Answer, query: Query) -> Any:
    """Return llama.cpp's answer: an object, or a list of them if several completions were requested."""
    found = [_infill_object(answer, query, text) for text in answer.texts]
    return found if query.count > 1 else found[0]


class InfillEvents:
    """Events of llama.cpp's streams.

    Args:
        query: says which members the client wants.
    """

    last: Sequence[Any] = ()

    def __init__(self, query: Query) -> None:
        self._query = query

    def text(self, text: str, index: int) -> dict[str, Any]:
        """Return a piece of the completion with this index."""
        return {"index": index, "content": text, "stop": False}

    def end(self, answer: Answer, index: int) -> dict[str, Any]:
        """Return the end of a completion."""
        return {"index": index, **_infill_object(answer, self._query, "")}


def completion_body(answer: Answer, *, is_chat: bool = False) -> dict[str, Any]:
    """Return OpenAI's answer.

    Args:
        answer: what was found.
        is_chat: whether a choice holds a message, as in Mistral's `fim/completions`.
    """
    reason = "length" if answer.is_cut else "stop"
    choices = [
        {
            "index": index,
            **_choice(text, "message", is_chat=is_chat),
            "logprobs": None,
            "finish_reason": reason,
        }
        for index, text in enumerate(answer.texts)
    ]
    return {**_head(answer.model, is_chat=is_chat), "choices": choices, "usage": _usage(answer.timing)}


class CompletionEvents:
    """Events of OpenAI's streams.

    Args:
        model: name of the model.
        is_chat: whether a choice holds a message.
    """

    last: Sequence[Any] = (DONE,)

    def __init__(self, model: str, *, is_chat: bool = False) -> None:
        self._is_chat = is_chat
        self._head = _head(model, is_chat=is_chat)
        if is_chat:
            self._head["object"] = "chat.completion.chunk"

    def text(self, text: str, index: int) -> dict[str, Any]:
        """Return a piece of the completion with this index."""
        return self._event(text, index, None)

    def end(self, answer: Answer, index: int) -> dict[str, Any]:
        """Return the end of a completion."""
        return self._event("", index, "length" if answer.is_cut else "stop")

    def _event(self, text: str, index: int, reason: str | None) -> dict[str, Any]:
        choice = _choice(text, "delta", is_chat=self._is_chat)
        return {**self._head, "choices": [{"index": index, **choice, "finish_reason": reason}]}


def models_body(name: str) -> dict[str, Any]:
    """Return the list of models: the one that answers."""
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "cg2ls"}]}


def to_events(events: Sequence[Any]) -> bytes:
    """Return server-sent events; a string is sent as it is, other values as JSON."""
    texts = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in events)
    return "".join(f"data: {text}\n\n" for text in texts).encode("utf-8", "replace")


def _infill_object(answer: Answer, query: Query, text: str) -> dict[str, Any]:
    """Return one completion with the members that the client chose by path; a path becomes the member's name."""
    timing = answer.timing
    whole: dict[str, Any] = {
        "content": text,
        "stop": True,
        "model": answer.model,
        "tokens_predicted": timing.generated,
        "tokens_evaluated": timing.prompt_tokens,
        "tokens_cached": timing.reused_tokens,
        "truncated": False,
        "stop_type": "limit" if answer.is_cut else "eos",
        "stopping_word": "",
        "timings": _timings(timing),
    }
    if not query.fields:
        return whole
    return {name: value for name in query.fields if (value := _at(whole, name)) is not None}


def _at(value: Any, path: str) -> Any:
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _timings(timing: Timing) -> dict[str, float]:
    read, written = timing.prompt_tokens - timing.reused_tokens, timing.generated
    decode_ms = max(0.0, timing.first_token_ms - timing.prefill_ms) + timing.decode_ms
    return {
        "prompt_n": read,
        "prompt_ms": round(timing.prefill_ms, 3),
        "prompt_per_token_ms": round(timing.prefill_ms / max(read, 1), 3),
        "prompt_per_second": round(1000 * read / timing.prefill_ms, 1) if timing.prefill_ms else 0.0,
        "predicted_n": written,
        "predicted_ms": round(decode_ms, 3),
        "predicted_per_token_ms": round(decode_ms / max(written, 1), 3),
        "predicted_per_second": round(1000 * written / decode_ms, 1) if decode_ms else 0.0,
    }


def _head(model: str, *, is_chat: bool) -> dict[str, Any]:
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "chat.completion" if is_chat else "text_completion",
        "created": int(time.time()),
        "model": model,
    }


def _choice(text: str, member: str, *, is_chat: bool) -> dict[str, Any]:
    return {member: {"role": "assistant", "content": text}} if is_chat else {"text": text}


def _usage(timing: Timing) -> dict[str, int]:
    return {
        "prompt_tokens": timing.prompt_tokens,
        "completion_tokens": timing.generated,
        "total_tokens": timing.prompt_tokens + timing.generated,
    }
