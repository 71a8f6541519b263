"""Two websockets: a job's status at every change, and that any of a user's jobs has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from qtower.service import statuses
from qtower.service.core import Core
from qtower.service.documents import status_document
from qtower.service.line import Place
from qtower.service.records import Change, Owner
from qtower.service.routes.exchange import core_of, user_of
from qtower.service.watchers import Watcher

# Close codes of the IBM Quantum API. Source: qiskit.providers.ibmq.api.clients.websocket, 0.20.2.
_JOB_DONE = 4002
_JOB_NOT_FOUND = 4003
_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1

TRY_AGAIN_LATER = 1013  # registered at IANA; the client asks by HTTP instead

_SIGN_IN_SECONDS = 10.0
_MOST_FOLLOWED = 1_000  # websockets of one user; all connections share 4,096

_SPACING_SECONDS = 0.05  # between two messages that something has changed
_OWNERS_KNOWN = 10_000  # jobs


class _Message(msgspec.Struct):
    type: str
    data: str


async def follow(websocket: WebSocket) -> None:
    """Signs the client in, then tells the job's status until it is final or the client goes."""
    await _sign_in_and(websocket, _follow)


async def follow_all(websocket: WebSocket) -> None:
    """Signs the client in, then tells that jobs of his have changed, until he goes.

    It does not say which: `GET H/Jobs/status/v/1` with `updatedDate` does, and for many at once.
    """
    await _sign_in_and(websocket, _follow_all)


_Tell = Callable[[WebSocket, Core, str, str], Awaitable[None]]


async def _sign_in_and(websocket: WebSocket, tell: _Tell) -> None:
    await websocket.accept()
    core = core_of(websocket)
    try:
        access_token = await _sign_in(websocket)
        user = await user_of(core, access_token)
        if user is None:
            await websocket.close(_POLICY_VIOLATION, "authentication failed")
            return
        followed = core.activity.followed
        if followed[user] >= _MOST_FOLLOWED:
            await websocket.close(TRY_AGAIN_LATER, "too many websockets")
            return
        followed[user] += 1
        try:
            await _send(websocket, {"type": "authenticated"})
            await tell(websocket, core, user, access_token)
        finally:
            followed[user] -= 1
    except WebSocketDisconnect:
        return


async def _sign_in(websocket: WebSocket) -> str:
    """Returns the access token in the first message; empty if there is none in time."""
    try:
        received = await asyncio.wait_for(websocket.receive(), _SIGN_IN_SECONDS)
    except asyncio.TimeoutError:
        return ""
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code") or 1005)
    try:
        message = msgspec.json.decode(
            received.get("text") or received.get("bytes") or b"", type=_Message
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    return message.data if message.type == "authentication" else ""


async def _until_signed_out(core: Core, access_token: str) -> None:
    """Keeps the access token in use, as long as it is good: a client that follows a job asks for
    nothing else, and wants its result when the job has ended."""
    while True:
        await core.accounts.sign_outs.wait(core.accounts.look_seconds)
        if await user_of(core, access_token) is None:
            return


async def _follow(websocket: WebSocket, core: Core, user: str, access_token: str) -> None:
    job_id = websocket.path_params["job_id"]
    # Watched before it is read, so that no change falls between the two.
    with core.watchers.watch(job_id) as watcher:
        job = await run_in_threadpool(core.store.listed_job, job_id)
        if job is None or not core.accounts.may_see(user, job.owner):
            await websocket.close(_JOB_NOT_FOUND, "job not found")
            return
        teller = _Teller(websocket, core, watcher, job_id)
        await teller.tell(job.status, job.updated, job.place_in_line)
        await _while_here(websocket, core, access_token, teller.until_final())


async def _follow_all(websocket: WebSocket, core: Core, user: str, access_token: str) -> None:
    with core.watchers.watch_all() as watcher:
        telling = _tell_changes(websocket, core, user, watcher)
        await _while_here(websocket, core, access_token, telling)


async def _tell_changes(websocket: WebSocket, core: Core, user: str, watcher: Watcher) -> None:
    while True:
        changes = await watcher.news()
        if await _concern(core, user, changes):
            await _send(websocket, {"type": "jobs-changed"})
        await asyncio.sleep(_SPACING_SECONDS)


async def _concern(core: Core, user: str, changes: list[Change]) -> bool:
    """Whether one of the changes is of a job of the user."""
    if not core.site.shared:
        return True
    for job_id in {change.job_id for change in changes}:
        owner = await _owner(core, job_id)
        if owner is not None and core.accounts.may_see(user, owner):
            return True
    return False


async def _owner(core: Core, job_id: str) -> Owner | None:
    """Whose job it is, asked of the store once for all who follow."""
    known = core.activity.owners
    if len(known) > _OWNERS_KNOWN:
        known.clear()
    if (asked := known.get(job_id)) is None:
        asked = known[job_id] = asyncio.ensure_future(_look_up(core, job_id))
    try:
        return await asyncio.shield(asked)
    except SQLAlchemyError:
        known.pop(job_id, None)
        raise


async def _look_up(core: Core, job_id: str) -> Owner | None:
    job = await run_in_threadpool(core.store.listed_job, job_id)
    return job.owner if job is not None else None


async def _while_here(
    websocket: WebSocket, core: Core, access_token: str, telling: Coroutine[Any, Any, None]
) -> None:
    """Tells, until there is nothing more to tell, or the client goes or is signed out."""
    signed_out = asyncio.create_task(_until_signed_out(core, access_token))
    tasks = {
        asyncio.create_task(telling),
        asyncio.create_task(_until_gone(websocket)),
        signed_out,
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if done == {signed_out}:
            await websocket.close(_POLICY_VIOLATION, "signed out")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Teller:
    """Tells one client what one job does, in order and nothing twice."""

    def __init__(self, websocket: WebSocket, core: Core, watcher: Watcher, job_id: str) -> None:
        self._websocket = websocket
        self._core = core
        self._watcher = watcher
        self._job_id = job_id
        self._status = ""
        self._updated = 0
        self._place_in_line: int | None = None
        self._place: Place | None = None

    async def tell(self, status: str, updated: int, place_in_line: int | None) -> None:
        """Tells a status."""
        self._status, self._updated, self._place_in_line = status, updated, place_in_line
        self._watcher.in_line = status == statuses.QUEUED
        self._place = self._core.dispatcher.place(place_in_line)
        await self._send()

    async def until_final(self) -> None:
        """Tells every change, and closes when there can be no other."""
        while self._status not in statuses.FINAL:
            for change in await self._watcher.news():
                if change.updated > self._updated:
                    await self.tell(change.status, change.updated, change.place_in_line)
            if self._status == statuses.QUEUED:
                await self._tell_move()
        await self._websocket.close(_JOB_DONE, "job done")

    async def _tell_move(self) -> None:
        place = self._core.dispatcher.place(self._place_in_line)
        if place is not None and (self._place is None or place.position != self._place.position):
            self._place = place
            await self._send()

    async def _send(self) -> None:
        document = status_document(self._job_id, self._status, self._place)
        await _send(self._websocket, {"type": "job-status", "data": document})


async def _send(websocket: WebSocket, message: dict[str, object]) -> None:
    await websocket.send_text(msgspec.json.encode(message).decode())


async def _until_gone(websocket: WebSocket) -> None:
    """Reads on, because only a reader learns that the client has gone."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


ROUTES = [
    WebSocketRoute("/jobs/changes/v/1", follow_all),
    WebSocketRoute("/jobs/{job_id}/status/v/1", follow),
]
