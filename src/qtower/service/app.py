"""The application: routes under `/api`, the check of access tokens, and errors as JSON."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from qtower.service import refusals
from qtower.service.core import Core
from qtower.service.routes import auth, backends, jobs, storage, websocket
from qtower.service.routes.exchange import refusal_answer

logger = logging.getLogger(__name__)

# Storage has signed addresses, a websocket signs in by its first message.
_OPEN = ("/api/version", "/api/users/loginWithToken", "/api/storage/")


def create_app(core: Core) -> Starlette:
    """Returns the application that serves `core`."""
    routes = [
        *(auth.ROUTES + backends.ROUTES + jobs.ROUTES),
        *(storage.ROUTES + websocket.ROUTES),
    ]
    app = Starlette(
        routes=[Mount("/api", routes=routes)],
        middleware=[Middleware(_AccessCheck, core=core)],
        exception_handlers={
            refusals.RefusalError: _refused,
            HTTPException: _not_served,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    app.state.core = core
    return app


class _AccessCheck:
    """Lets only signed-in users through, and notes that there was a request."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        self._app = app
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        self._core.activity.begin()
        try:
            if scope["type"] == "http" and not scope["path"].startswith(_OPEN):
                user = await self._user(Request(scope))
                if user is None:
                    await refusal_answer(refusals.not_signed_in())(scope, receive, send)
                    return
                scope.setdefault("state", {})["user"] = user
            await self._app(scope, receive, send)
        finally:
            self._core.activity.end()

    async def _user(self, request: Request) -> str | None:
        access_token = request.headers.get("x-access-token")
        if not access_token:
            return None
        accounts = self._core.accounts
        return accounts.known_user(access_token) or await run_in_threadpool(
            accounts.find_user, access_token
        )


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


async def _failed(request: Request, _error: Exception) -> Response:
    # The server logs the traceback; the client learns only that it was not its fault.
    logger.error("a request failed", extra={"method": request.method})
    message = "The service failed at this request; its log says why"
    return refusal_answer(refusals.RefusalError(500, 3500, "INTERNAL_ERROR", message))
