"""Requests as llama.vim, llama.vscode, Continue and minuet send them, to a real process, read as these clients do.

docs/user/clients names the versions whose requests these are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cg2ls.http.conftest import HttpServer

FORMULA = "width * height"
BEFORE = "quick, long\ndef area(width, height):\n"
LINE = "    return "

LLAMA_VIM: dict[str, Any] = {
    "id_slot": 0,
    "stop": [],
    "input_prefix": BEFORE,
    "input_suffix": "\n\nprint(area(2, 3))\n",
    "input_extra": [{"text": "def side():\n    return 1\n", "time": [1, 2], "filename": "side.py"}],
    "prompt": LINE,
    "n_predict": 128,
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.9,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1500,
    "response_fields": [
        "content",
        "timings/prompt_n",
        "timings/prompt_ms",
        "timings/predicted_n",
        "timings/predicted_per_second",
        "truncated",
        "tokens_cached",
    ],
}
LLAMA_VIM_WARMING: dict[str, Any] = {
    "input_prefix": "",
    "input_suffix": "",
    "input_extra": LLAMA_VIM["input_extra"],
    "prompt": "",
    "n_predict": 0,
    "temperature": 0.0,
    "stream": False,
    "samplers": [],
    "cache_prompt": True,
    "t_max_prompt_ms": 1,
    "t_max_predict_ms": 1,
    "response_fields": [""],
}
LLAMA_VSCODE: dict[str, Any] = {
    "input_prefix": BEFORE,
    "input_suffix": "\n",
    "input_extra": [{"text": "x = 1\n", "time": 1700000000000, "filename": "/home/me/project/x.py"}],
    "prompt": LINE,
    "n_predict": 128,
    "top_k": 40,
    "top_p": 0.99,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "n_indent": 4,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 2500,
}
LLAMA_VSCODE_WARMING: dict[str, Any] = {
    "input_prefix": "",
    "input_suffix": "",
    "input_extra": LLAMA_VSCODE["input_extra"],
    "prompt": "",
    "n_predict": 0,
    "samplers": [],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1,
}
LLAMA_VSCODE_OPENAI: dict[str, Any] = {
    "model": "",
    "prompt": f"Context:\n\n[object Object]<|fim_prefix|>{BEFORE}{LINE}<|fim_suffix|>\n<|fim_middle|>",
    "max_tokens": 128,
    "temperature": 0.1,
    "top_p": 0.99,
    "stream": False,
}
CONTINUE_FIM: dict[str, Any] = {
    "model": "cg2ls",
    "prompt": BEFORE + LINE,
    "suffix": "\n",
    "max_tokens": 1024,
    "temperature": 0.01,
    "stop": ["\n\n", "/src/", "#- coding: utf-8"],
    "stream": True,
}
CONTINUE_TEMPLATE: dict[str, Any] = {
    "model": "cg2ls",
    "prompt": f"<fim_prefix>{BEFORE}{LINE}<fim_suffix>\n<fim_middle>",
    "max_tokens": 1024,
    "temperature": 0.01,
    "stop": ["<fim_prefix>", "<file_sep>", "\n\n"],
    "stream": True,
}
MINUET: dict[str, Any] = {
    "model": "cg2ls",
    "prompt": "# language: python\n# indentation: use 4 spaces for a tab\n" + BEFORE + LINE,
    "suffix": "\n",
    "max_tokens": 256,
    "top_p": 0.9,
    "stream": True,
}


def test_llama_vim_gets_the_requested_members(slow_http: HttpServer) -> None:
    answer = slow_http.post("/infill", LLAMA_VIM).json
    assert answer["content"] == FORMULA
    assert answer["truncated"] is False
    assert set(answer) == set(LLAMA_VIM["response_fields"])
    assert answer["timings/predicted_n"] > 0


def test_llama_vim_warms_its_context_without_text(slow_http: HttpServer) -> None:
    answer = slow_http.post("/infill", LLAMA_VIM_WARMING)
    assert (answer.status, answer.json) == (200, {})
    assert "decoding" not in slow_http.lines


def test_llama_vscode_gets_content_and_timings(slow_http: HttpServer) -> None:
    answer = slow_http.post("/infill", LLAMA_VSCODE).json
    assert answer["content"] == FORMULA
    assert {"prompt_n", "prompt_ms", "predicted_n", "predicted_ms", "predicted_per_second"} <= set(
        answer["timings"]
    )


def test_llama_vscode_warms_its_context_without_text(slow_http: HttpServer) -> None:
    answer = slow_http.post("/infill", LLAMA_VSCODE_WARMING)
    assert (answer.status, answer.json["content"]) == (200, "")
    assert "decoding" not in slow_http.lines


def test_llama_vscode_may_ask_as_openai_with_its_prompt_template(slow_http: HttpServer) -> None:
    answer = slow_http.post("/v1/completions", LLAMA_VSCODE_OPENAI).json
    assert answer["choices"][0]["text"] == FORMULA
    assert answer["usage"]["completion_tokens"] > 0


def test_llama_vscode_may_request_several_completions(slow_http: HttpServer) -> None:
    answer = slow_http.post("/infill", {**LLAMA_VSCODE, "n_cmpl": 3}).json
    texts = [each["content"] for each in answer]
    assert texts[0] == FORMULA
    assert 1 < len(texts) <= 3
    assert len(set(texts)) == len(texts)


def test_continue_reads_messages_of_the_fim_route(slow_http: HttpServer) -> None:
    reply = slow_http.post("/v1/fim/completions", CONTINUE_FIM)
    assert reply.headers["content-type"].startswith("text/event-stream")
    *chunks, done = reply.events
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == FORMULA
    assert done == "[DONE]"


def test_continue_reads_text_where_a_template_wrote_the_suffix_into_the_prompt(slow_http: HttpServer) -> None:
    *chunks, _ = slow_http.post("/v1/completions", CONTINUE_TEMPLATE).events
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == FORMULA


def test_minuet_sends_a_request_three_times_at_once_and_reads_each(slow_http: HttpServer) -> None:
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda _: slow_http.post("/v1/completions", MINUET), range(3)))
    for reply in replies:
        *chunks, _ = reply.events
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == FORMULA
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_whole_completion_has_the_members_of_openai(slow_http: HttpServer) -> None:
    answer = slow_http.post("/v1/completions", {**MINUET, "stream": False, "n": 2}).json
    assert answer["object"] == "text_completion"
    assert answer["model"] == "slow"
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["choices"][0]["text"] == FORMULA
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_llama_cpp_streams_text_and_then_its_end(slow_http: HttpServer) -> None:
    text, end = slow_http.post("/infill", {**LLAMA_VSCODE, "stream": True}).events
    assert (text["content"], text["stop"]) == (FORMULA, False)
    assert (end["content"], end["stop"]) == ("", True)


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_the_model_that_answers_is_listed(slow_http: HttpServer, path: str) -> None:
    answer = slow_http.get(path).json
    assert [model["id"] for model in answer["data"]] == ["slow"]


def test_counts_are_in_the_format_of_prometheus(fresh_http: HttpServer) -> None:
    fresh_http.post("/infill", LLAMA_VIM)
    fresh_http.post("/infill", {"input_prefix": 1})
    reply = fresh_http.get("/metrics")
    lines = reply.body.decode().splitlines()
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'cg2ls_http_requests_total{path="/infill",status="200"} 1' in lines
    assert 'cg2ls_http_requests_total{path="/infill",status="400"} 1' in lines
    assert 'cg2ls_completions_total{outcome="shown"} 1' in lines
    assert "cg2ls_completion_seconds_count 1" in lines
    assert "cg2ls_model_loaded 1" in lines
