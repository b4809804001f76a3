"""Read the body of llama.cpp's `/infill` or of OpenAI's `/v1/completions` as one kind of query.

Members that are unknown here are ignored, as both servers do: clients send settings of samplers that do not apply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cg2ls.http.access import RequestRefusedError
from cg2ls.workspace.languages import language_of_name, normalize_language

MAX_COUNT = 8
"""Maximum number of completions of one request."""

MARKERS = (
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<PRE>", "<SUF>", "<MID>"),
)
"""Prefix, suffix and middle as other models mark them; clients without a `suffix` member write them into the prompt."""

LANGUAGE_HEADER = re.compile(r"\A\W{0,6}language:[ \t]*([\w+#-]+)", re.IGNORECASE)
"""First line by which some clients name the language, such as `# language: python`."""


@dataclass(frozen=True, kw_only=True)
class Query:
    r"""One request for completions.

    Attributes:
        before: text before the cursor.
        after: text after the cursor.
        extras: names and texts of other files, the most recent last.
        language: LSP id of the language; "" if the request does not say.
        path: path of the document; "" if the request does not say.
        max_tokens: maximum number of generated tokens; None for the server's options.
        max_ms: maximum time in milliseconds; None for the server's options.
        stop: texts at which the answer ends.
        count: number of completions.
        is_streamed: whether to answer with server-sent events.
        fields: members that the client wants in llama.cpp's answer; empty for all.
    """

    before: str
    after: str = ""
    extras: tuple[tuple[str, str], ...] = ()
    language: str = ""
    path: str = ""
    max_tokens: int | None = None
    max_ms: float | None = None
    stop: tuple[str, ...] = ()
    count: int = 1
    is_streamed: bool = False
    fields: tuple[str, ...] = ()

    @property
    def is_warming(self) -> bool:
        """Return whether the client only wants its context read ahead, and no text."""
        return self.max_tokens == 0


def read_json(body: bytes) -> dict[str, Any]:
    """Read the body of a request.

    Raises:
        RequestRefusedError: it is not a JSON object.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestRefusedError(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise RequestRefusedError(400, "The body must be a JSON object.")
    return value


def read_infill(body: Mapping[str, Any]) -> Query:
    """Read a request of llama.cpp's `/infill`.

    Raises:
        RequestRefusedError: a member has the wrong type.
    """
    before = _text(body, "input_prefix") + _text(body, "prompt")
    times = [_number(body, name) for name in ("t_max_prompt_ms", "t_max_predict_ms")]
    given = [time for time in times if time is not None and time > 0]
    return Query(
        before=before,
        after=_text(body, "input_suffix"),
        extras=_extras(body),
        path=_path(body),
        language=_language(body, before),
        max_tokens=_max_tokens(body, "n_predict", "max_tokens"),
        max_ms=sum(given) or None,
        stop=_texts(body, "stop"),
        count=_count(body, "n_cmpl"),
        is_streamed=_flag(body, "stream"),
        fields=_texts(body, "response_fields", keeps_empty=True),
    )


def read_completion(body: Mapping[str, Any]) -> Query:
    """Read a request of OpenAI's `/v1/completions`, or of the `/v1/fim/completions` that Mistral serves.

    Raises:
        RequestRefusedError: a member has the wrong type.
    """
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    before = _text({"prompt": prompt}, "prompt")
    after = _text(body, "suffix")
    if body.get("suffix") is None:
        before, after = split_markers(before)
    return Query(
        before=before,
        after=after,
        extras=_extras(body),
        path=_path(body),
        language=_language(body, before),
        max_tokens=_max_tokens(body, "max_tokens", "n_predict"),
        stop=_texts(body, "stop"),
        count=_count(body, "n"),
        is_streamed=_flag(body, "stream"),
    )


def split_markers(prompt: str) -> tuple[str, str]:
    """Return the text before and after the cursor of a prompt with another model's markers; else all is before."""
    for prefix, suffix, middle in MARKERS:
        start, gap = prompt.find(prefix), prompt.find(suffix)
        end = prompt.rfind(middle)
        if 0 <= start < gap < end:
            pad = " " if prefix == "<PRE>" else ""
            before = prompt[start + len(prefix) : gap].removeprefix(pad).removesuffix(pad)
            after = prompt[gap + len(suffix) : end].removesuffix(pad)
            return prompt[:start] + before, after
    return prompt, ""


def _member(
    body: Mapping[str, Any], name: str, is_right: Callable[[Any], bool], expected: str, otherwise: Any
) -> Any:
    """Return a member; the default if it is missing or null.

    Raises:
        RequestRefusedError: it has the wrong type.
    """
    value = body.get(name)
    if value is None:
        return otherwise
    if not is_right(value):
        raise RequestRefusedError(400, f"`{name}` must be {expected}.")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value: str = _member(body, name, lambda it: isinstance(it, str), "a string", "")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # half a character, which no file can hold
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _number(body: Mapping[str, Any], name: str) -> float | None:
    def is_number(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9

    found: float | None = _member(body, name, is_number, "a number", None)
    return found


def _whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    def is_whole(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    found: int | None = _member(body, name, is_whole, f"a whole number from {low} to {high}", None)
    return found


def _flag(body: Mapping[str, Any], name: str) -> bool:
    return bool(_member(body, name, lambda it: isinstance(it, bool), "true or false", False))


def _max_tokens(body: Mapping[str, Any], *names: str) -> int | None:
    """Return the maximum number of tokens; -1 means no limit of the client."""
    for name in names:
        found = _whole(body, name, -1, 1_000_000)
        if found is not None:
            return None if found < 0 else found
    return None


def _count(body: Mapping[str, Any], name: str) -> int:
    return _whole(body, name, 1, MAX_COUNT) or 1


def _texts(body: Mapping[str, Any], name: str, *, keeps_empty: bool = False) -> tuple[str, ...]:
    def are_texts(value: Any) -> bool:
        return isinstance(value, str) or (
            isinstance(value, list) and all(isinstance(each, str) for each in value)
        )

    found = _member(body, name, are_texts, "a string or a list of strings", ())
    each = (found,) if isinstance(found, str) else tuple(found)
    return each if keeps_empty else tuple(text for text in each if text)


def _extras(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    def are_objects(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)

    found = _member(body, "input_extra", are_objects, "a list of objects with `filename` and `text`", ())
    return tuple((_text(each, "filename"), _text(each, "text")) for each in found)


def _path(body: Mapping[str, Any]) -> str:
    """Return the document's path, a member that only cg2ls has."""
    return _text(body, "filename")


def _language(body: Mapping[str, Any], before: str) -> str:
    """Return the language: a member of our own, else that of the file's name or of the client's first line."""
    named = _text(body, "language") or language_of_name(_path(body))
    header = LANGUAGE_HEADER.match(before)
    return normalize_language(named or (header[1] if header else ""))
