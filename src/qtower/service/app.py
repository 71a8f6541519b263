"""The application: routes under `/api`, the check of access tokens, and errors as JSON.

Beside the API, at the root, are `/health` and `/metrics` for those who look after the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from functools import partial
from inspect import isfunction
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from qtower.errors import ConfigError
from qtower.service import refusals
from qtower.service.core import Core
from qtower.service.health import present
from qtower.service.logs import about
from qtower.service.outages import Complaints, passes
from qtower.service.routes import auth, backends, jobs, operations, storage, websocket
from qtower.service.routes.exchange import refusal_answer, user_of

logger = logging.getLogger(__name__)

# Storage has signed addresses, a websocket signs in by its first message.
_OPEN = ("/api/version", "/api/users/loginWithToken", "/api/storage/")
_API = "/api/"

# A full disk, a database that went, a file of tokens that somebody spoilt: not for ever.
_AWAY = (SQLAlchemyError, OSError, ConfigError)

_complaints = Complaints()

_REQUESTS_AT_ONCE = 16  # of one user; Starlette has 40 threads
_PIECE = 256 * 1024  # bytes of an answer

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_JOB = re.compile(r"/(?:Jobs|jobs|storage)/([0-9a-f]{24})(?:/|\Z)")


def create_app(core: Core) -> Starlette:
    """Returns the application that serves `core`."""
    routes = [
        *(auth.ROUTES + backends.ROUTES + jobs.ROUTES),
        *(storage.ROUTES + operations.ROUTES + websocket.ROUTES),
    ]
    # No redirections: they would lead to whatever host the request names.
    api = Mount("/api", Router(routes, redirect_slashes=False))
    core.metrics.watch(lambda: present(core))
    app = Starlette(
        routes=[api, *operations.ROOT_ROUTES],
        middleware=[
            Middleware(_Observation, core=core, templates=_templates(api)),
            Middleware(_AccessCheck, core=core),
        ],
        exception_handlers={
            refusals.RefusalError: _refused,
            HTTPException: _not_served,
            ClientDisconnect: _gone,
            **dict.fromkeys(_AWAY, _store_away),
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    app.state.core = core
    return app


def _templates(api: Mount) -> dict[object, str]:
    """The templates of all routes, by what answers there."""
    inside = {r.endpoint: api.path + r.path for r in api.routes if isinstance(r, Route)}
    return inside | {route.endpoint: route.path for route in operations.ROOT_ROUTES}


class _Observation:
    """Times every request, and has what is logged meanwhile carry the id of its job."""

    def __init__(self, app: ASGIApp, core: Core, templates: dict[object, str]) -> None:
        self._app = app
        self._core = core
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        match = _JOB.search(scope["path"])
        with about(match[1] if match else None):
            if scope["type"] == "http":
                await self._observe(scope, receive, send)
            else:
                with self._core.metrics.websockets.track_inprogress():
                    await self._app(scope, receive, send)

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            self._answered(scope, status, time.perf_counter() - began)

    def _answered(self, scope: Scope, status: int, seconds: float) -> None:
        # Both are chosen by whoever asks: only those that there are may become a series.
        endpoint = scope.get("endpoint")
        # Where no route is, it is the router itself, which has no hash.
        route = self._templates.get(endpoint, "none") if isfunction(endpoint) else "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._core.metrics.answered(method, route, status, seconds)
        if self._core.site.log_requests:
            told = {"method": method, "route": route, "status": status}
            logger.info("request", extra={**told, "ms": round(seconds * 1000, 1)})


class _AccessCheck:
    """Lets only signed-in users through, and notes that there was a request."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        self._app = app
        self._core = core
        # The threads that read the store are few: one user's slow questions must leave some.
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Whoever only watches the service does not use it.
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith(_API):
            await self._app(scope, receive, send)
            return
        self._core.activity.begin()
        try:
            if scope["type"] == "http" and not scope["path"].startswith(_OPEN):
                await self._serve_user(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._core.activity.end()

    async def _serve_user(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            user = await self._user(Request(scope))
        except _AWAY as error:
            await refusal_answer(_away(scope, error))(scope, receive, send)
            return
        if user is None:
            await refusal_answer(refusals.not_signed_in())(scope, receive, send)
            return
        scope.setdefault("state", {})["user"] = user
        async with self._turns.setdefault(user, asyncio.Semaphore(_REQUESTS_AT_ONCE)):
            await self._app(scope, receive, partial(_send_in_pieces, send))

    async def _user(self, request: Request) -> str | None:
        access_token = request.headers.get("x-access-token")
        if not access_token:
            return None
        return await user_of(self._core, access_token)


async def _send_in_pieces(send: Send, message: Message) -> None:
    """Sends a long answer as it is taken, so that its asker holds his turn until then: answers
    that nobody reads would else pile up in the buffers of thousands of connections."""
    body = message.get("body", b"")
    starts = range(0, len(body), _PIECE)
    for start in starts[:-1]:
        await send({**message, "body": body[start : start + _PIECE], "more_body": True})
    await send({**message, "body": body[starts[-1] :]} if starts else message)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, refusals.RefusalError)
    return refusal_answer(error)


async def _not_served(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    name = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(status, "BAD_REQUEST")
    return refusal_answer(refusals.RefusalError(status, 3000 + status, name, error.detail))


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _store_away(connection: HTTPConnection, error: Exception) -> Any:
    """Answers a request, and closes a websocket, for which Starlette wants no answer."""
    refusal = _away(connection.scope, error)
    if isinstance(connection, WebSocket):
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it is closed already
            await connection.close(websocket.TRY_AGAIN_LATER, refusal.message)
        return None
    return refusal_answer(refusal)


def _away(scope: Scope, error: Exception) -> refusals.RefusalError:
    """What answers a request when one of `_AWAY` was raised, unless it is a fault of ours."""
    if isinstance(error, SQLAlchemyError) and not passes(error):
        raise error
    told = error if _complaints.in_full() else None
    logger.error("the store did not answer", extra={"method": scope.get("method")}, exc_info=told)
    return refusals.store_away()


async def _failed(request: Request, _error: Exception) -> Response:
    # The server logs the traceback; the client learns only that it was not its fault.
    logger.error("a request failed", extra={"method": request.method})
    message = "The service failed at this request; its log says why"
    return refusal_answer(refusals.RefusalError(500, 3500, "INTERNAL_ERROR", message))
