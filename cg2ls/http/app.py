"""The routes: `/infill`, `/v1/completions`, `/v1/models`, `/health`, `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cg2ls.http.access import JSON_TYPE, Guard, RequestRefusedError, error_body
from cg2ls.http.answers import CompletionEvents, InfillEvents, completion_body, infill_body, models_body
from cg2ls.http.query import read_completion, read_infill, read_json
from cg2ls.http.streaming import ClientGoneError, EventStream, stream, until_gone

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from cg2ls.http.completer import Answer, HttpCompleter
    from cg2ls.http.metrics import Metrics
    from cg2ls.http.query import Query

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Maximum size of a body: more than a document and its extra context need."""

BODY_S = 10.0
"""Seconds in which a body must arrive."""

CLIENT_GONE = 499
"""Status, in the counts only, of a request whose client hung up."""


class Api:
    """Handlers of the routes.

    Args:
        completer: answers the queries.
        metrics: counts them.
    """

    def __init__(self, completer: HttpCompleter, metrics: Metrics) -> None:
        self._completer = completer
        self._metrics = metrics

    async def infill(self, request: Request) -> Response:
        """Answer llama.cpp's `/infill`."""
        query = read_infill(read_json(await read_body(request)))
        if query.is_streamed:
            return await self._stream(request, query, InfillEvents(query))
        answer = await until_gone(request, self._completer.complete(query))
        return _respond_json(infill_body(answer, query), answer)

    async def completions(self, request: Request) -> Response:
        """Answer OpenAI's `/v1/completions`."""
        return await self._answer_completion(request, is_chat=False)

    async def fim_completions(self, request: Request) -> Response:
        """Answer the `/v1/fim/completions` of Mistral and of Continue."""
        return await self._answer_completion(request, is_chat=True)

    async def _answer_completion(self, request: Request, *, is_chat: bool) -> Response:
        query = read_completion(read_json(await read_body(request)))
        if query.is_streamed:
            model = self._completer.model(query.language)
            return await self._stream(request, query, CompletionEvents(model.name, is_chat=is_chat))
        answer = await until_gone(request, self._completer.complete(query))
        return _respond_json(completion_body(answer, is_chat=is_chat), answer)

    async def models(self, _: Request) -> Response:
        """Name the model that answers."""
        return JSONResponse(models_body(self._completer.model().name))

    async def health(self, _: Request) -> Response:
        """Tell whether the model is ready."""
        self._completer.engine(self._completer.model())
        return JSONResponse({"status": "ok"})

    async def metrics(self, _: Request) -> Response:
        """Return the counts."""
        text = self._metrics.to_text(is_loaded=self._completer.is_loaded)
        return Response(text, media_type="text/plain; version=0.0.4")

    async def _stream(
        self, request: Request, query: Query, writer: InfillEvents | CompletionEvents
    ) -> Response:
        return await stream(request, partial(self._completer.complete, query), writer)

    def counted(
        self, handler: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that counts its answers and turns refusals into errors."""

        def ended(path: str, status: int) -> None:
            self._metrics.running -= 1
            self._metrics.answered(path, status)

        async def answer(request: Request) -> Response:
            status, response, path = 500, None, request.url.path
            self._metrics.running += 1
            try:
                response = await handler(request)
                status = response.status_code
            except RequestRefusedError as refused:
                status = refused.status
                response = _error(status, refused.message)
            except ClientGoneError:
                status = CLIENT_GONE
                response = Response(status_code=CLIENT_GONE)
            finally:
                if isinstance(response, EventStream):
                    response.on_end = lambda is_whole: ended(path, status if is_whole else CLIENT_GONE)
                else:
                    ended(path, status)
            return response

        return answer


def make_app(completer: HttpCompleter, metrics: Metrics, token: str) -> ASGIApp:
    """Return the ASGI application.

    Args:
        completer: answers the queries.
        metrics: counts them.
        token: what a request must carry; "" for nothing.
    """
    api = Api(completer, metrics)
    posts = {
        ("/infill",): api.infill,
        ("/v1/completions", "/completions"): api.completions,
        ("/v1/fim/completions", "/fim/completions"): api.fim_completions,
    }
    gets = {
        ("/v1/models", "/models"): api.models,
        ("/health", "/v1/health"): api.health,
        ("/metrics",): api.metrics,
    }
    routes = [
        Route(path, api.counted(handler), methods=[method])
        for method, handlers in (("POST", posts), ("GET", gets))
        for paths, handler in handlers.items()
        for path in paths
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route})
    return Guard(app, token)


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        RequestRefusedError: it is too large or too slow.
        ClientGoneError: the client hung up.
    """
    said = request.headers.get("content-length", "")
    parts, size = [], int(said) if said.isdigit() else 0
    too_large = RequestRefusedError(413, f"The body has more than {MAX_BODY_BYTES} bytes.")
    if size > MAX_BODY_BYTES:
        raise too_large
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise RequestRefusedError(408, f"The body did not arrive in {BODY_S:g} s.") from None


def _respond_json(body: Any, answer: Answer) -> Response:
    timing = f"completion;dur={answer.seconds * 1000:.3f}"
    return JSONResponse(body, headers={"Server-Timing": timing, "Cache-Control": "no-store"})


def _error(status: int, message: str) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else {}
    if status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    return Response(error_body(status, message), status, media_type=JSON_TYPE, headers=headers)


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    said = {404: f"There is no {path} here.", 405: f"{path} does not take {request.method}."}
    return _error(status, said.get(status, "The request failed."))
