"""What all routes share: the parts of a request, and answers as JSON."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from qtower.service import refusals
from qtower.service.core import Core
from qtower.service.records import Owner, StoredJob

JSON_LIMIT = 1_000_000
_TOO_LARGE = 413
_AWAY = 503
_RETRY_SECONDS = 3  # the client asks five times more before it gives up
_PATIENCE = 16_000_000  # bytes of a body that is too large anyway

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


def answer(content: Any, status: int = 200) -> Response:
    """Returns `content` as JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def refusal_answer(refusal: refusals.RefusalError) -> Response:
    """Returns a refusal as the client reads it."""
    error = {
        "message": refusal.message,
        "code": refusal.code,
        "name": refusal.name,
        "status": refusal.status,
    }
    refused = answer({"error": error}, refusal.status)
    # Names this one request. Without it the client adds the whole body to its message.
    refused.headers["uber-trace-id"] = f"{secrets.token_hex(8)}:{secrets.token_hex(8)}:0:1"
    if refusal.status == _AWAY:
        refused.headers["retry-after"] = str(_RETRY_SECONDS)
    if refusal.status == _TOO_LARGE:
        refused.headers["connection"] = "close"  # whatever is still being sent
    return refused


def core_of(connection: HTTPConnection) -> Core:
    """Returns the service that the request came to."""
    core = connection.app.state.core
    assert isinstance(core, Core)
    return core


def owner_of(request: Request) -> Owner:
    """Returns the signed-in user in the hub, group and project of the path.

    Raises:
        RefusalError: The place is not the user's.
    """
    hub, group, project = (request.path_params[part] for part in ("hub", "group", "project"))
    owner = core_of(request).accounts.owner(request.state.user, hub, group, project)
    if owner is None:
        raise refusals.no_such_place()
    return owner


def owned_job(request: Request, *, in_full: bool = False) -> StoredJob:
    """Returns the job of the path; reads the store.

    Raises:
        RefusalError: There is none, or it is not the user's in this place.
    """
    owner = owner_of(request)
    store = core_of(request).store
    job_id = request.path_params["job_id"]
    job = store.job(job_id) if in_full else store.listed_job(job_id)
    if job is None or job.owner != owner:
        raise refusals.no_such_job()
    return job


async def user_of(core: Core, access_token: str) -> str | None:
    """Returns whose access token it is; reads the store where memory does not tell."""
    accounts = core.accounts
    return accounts.known_user(access_token) or await run_in_threadpool(
        accounts.find_user, access_token
    )


def base_address(request: Request) -> str:
    """Returns the address under which the client reached the API, as it spelled it.

    It may differ from the address that the service is bound to: a tunnel, or another interface.
    Behind a proxy it is the one that the service was told.

    Raises:
        RefusalError: The Host header is no host.
    """
    if public_url := core_of(request).site.public_url:
        return public_url
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise refusals.bad_request("The Host header is not a host")
    return f"{request.url.scheme}://{host}/api"


async def body_chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yields the body as it comes.

    Raises:
        RefusalError: It is larger than `limit` bytes. It is read on for a while, because a client
            that is cut off while it sends does not hear the reason.
    """
    came = 0
    async for chunk in request.stream():
        came += len(chunk)
        if came <= limit:
            yield chunk
        elif came > limit + _PATIENCE:
            break
    if came > limit:
        raise refusals.too_large(limit)


async def read_json(request: Request, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """Returns the body as a JSON object.

    Raises:
        RefusalError: It is none, or larger than `limit` bytes.
    """
    body = b"".join([chunk async for chunk in body_chunks(request, limit)])
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise refusals.bad_request("The request is not JSON") from None
    if not isinstance(content, dict):
        raise refusals.bad_request("The request is not a JSON object")
    return content
