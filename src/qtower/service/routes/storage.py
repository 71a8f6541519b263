"""Object storage: qobjs come and results go under signed addresses, without an access token."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from itertools import chain, islice

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from qtower.service import payloads, refusals
from qtower.service.core import Core
from qtower.service.records import StoredJob
from qtower.service.routes.exchange import (
    answer,
    base_address,
    body_chunks,
    core_of,
    owned_job,
)
from qtower.service.signing import Grant
from qtower.service.statuses import CREATING, date_in_words

_PIECE = 256 * 1024  # bytes of an upload that are in memory
_AHEAD = 8  # pieces of a download that are read before it begins
_DOWNLOAD_SECONDS = 600.0  # the client's own patience with object storage

logger = logging.getLogger(__name__)


def upload_address(core: Core, base: str, job_id: str) -> str:
    """Returns where the qobj of a job is to be put."""
    return _address(core, base, Grant("PUT", job_id, "qobj"), core.settings.limits.upload_seconds)


def upload_url(request: Request) -> Response:
    """Says once more where the qobj of a job is to be put."""
    job = owned_job(request)
    if job.status != CREATING:
        raise refusals.upload_refused(job.status)
    return answer({"url": upload_address(core_of(request), base_address(request), job.id)})


def job_download_url(request: Request) -> Response:
    """Says where the qobj of a job is to be had."""
    job = owned_job(request)
    _refuse_removed(job)
    if job.qobj_bytes is None:
        raise refusals.no_qobj()
    return answer({"url": _download_address(request, Grant("GET", job.id, "qobj"))})


def result_download_url(request: Request) -> Response:
    """Says where the result of a job is to be had."""
    job = owned_job(request)
    _refuse_removed(job)
    if job.result_read is not None:
        raise refusals.read_before()
    if not job.has_result:
        raise refusals.no_result()
    return answer({"url": _download_address(request, Grant("GET", job.id, "result"))})


def result_downloaded(request: Request) -> Response:
    """The client has the result; it can have it again, unless it is one that is read once."""
    core, job = core_of(request), owned_job(request)
    if job.has_result and _is_read_once(core, job):
        _forget_result(core, job.id)
    return answer({"id": job.id})


async def upload(request: Request) -> Response:
    """Takes a qobj; answers when it is on disk. What is in it, validation will say."""
    grant = Grant("PUT", request.path_params["job_id"], "qobj")
    _check_signature(request, grant)
    core = core_of(request)
    await run_in_threadpool(_expect_upload, core, grant.job_id)
    incoming = payloads.Incoming(core.payloads.qobj_file(grant.job_id))
    try:
        rest = await _receive(request, incoming, core.settings.limits.upload_bytes)
        await run_in_threadpool(_store_upload, core, grant.job_id, incoming, rest)
    finally:
        incoming.discard()
    return Response(status_code=200)


async def _receive(request: Request, incoming: payloads.Incoming, limit: int) -> bytes:
    """Takes what is sent; returns its end, less than a piece, which is still to be added.

    However much comes, and from however many: what stays in memory is a piece of each.

    Raises:
        RefusalError: It is larger than `limit` bytes.
    """
    pending = bytearray()
    async for chunk in body_chunks(request, limit):
        pending += chunk
        if len(pending) >= _PIECE:
            await run_in_threadpool(incoming.add, bytes(pending))
            pending.clear()
    return bytes(pending)


def download(request: Request) -> Response:
    """Gives a qobj or a result as plain JSON."""
    grant = Grant("GET", request.path_params["job_id"], request.path_params["part"])
    _check_signature(request, grant)
    core = core_of(request)
    is_qobj = grant.part == "qobj"
    files = core.payloads
    file = files.qobj_file(grant.job_id) if is_qobj else files.result_file(grant.job_id)
    job = core.store.listed_job(grant.job_id)
    if job is None:
        raise refusals.no_such_job()
    _refuse_removed(job)
    if not is_qobj and job.result_read is not None:
        raise refusals.read_before()
    pieces = payloads.pieces(file)
    try:
        ahead = list(islice(pieces, _AHEAD))
    except FileNotFoundError:
        raise (refusals.no_qobj() if is_qobj else refusals.no_result()) from None
    once = not is_qobj and _is_read_once(core, job)
    # The length of what does not fit into these is not known before all of it was read.
    length = {"content-length": str(sum(map(len, ahead)))} if len(ahead) < _AHEAD else {}
    gone = partial(_forget_result, core, job.id) if once else None
    content = _content(chain(ahead, pieces), gone)
    return StreamingResponse(content, headers=length, media_type="application/json")


async def _content(
    pieces: Iterable[bytes], gone: Callable[[], None] | None
) -> AsyncIterator[bytes]:
    """The content; calls `gone` when all of it went out, and not if the client's line broke."""
    async for piece in iterate_in_threadpool(pieces):
        yield piece
    if gone is not None:
        await run_in_threadpool(gone)


def _is_read_once(core: Core, job: StoredJob) -> bool:
    owner = job.owner
    return core.settings.read_once(owner.hub, owner.group, owner.project, job.backend)


def _forget_result(core: Core, job_id: str) -> None:
    if core.store.note_result_read(job_id):
        core.payloads.result_file(job_id).unlink(missing_ok=True)
        logger.info("result given out once and removed", extra={"job": job_id})


def _refuse_removed(job: StoredJob) -> None:
    if job.payloads_removed is not None:
        raise refusals.payloads_removed(date_in_words(job.payloads_removed))


def _expect_upload(core: Core, job_id: str) -> None:
    job = core.store.listed_job(job_id)
    if job is None:
        raise refusals.no_such_job()
    if job.status != CREATING:
        raise refusals.upload_refused(job.status)


def _store_upload(core: Core, job_id: str, incoming: payloads.Incoming, rest: bytes) -> None:
    incoming.add(rest)
    with incoming.complete() as put_in_place:
        taken = core.store.note_upload(job_id, incoming.size, put_in_place)
    if taken:
        return
    # While it came, the job was cancelled, expired or deleted, or a twin of this upload was taken.
    job = core.store.listed_job(job_id)
    raise refusals.upload_refused(job.status) if job else refusals.no_such_job()


def _download_address(request: Request, grant: Grant) -> str:
    return _address(core_of(request), base_address(request), grant, _DOWNLOAD_SECONDS)


def _address(core: Core, base: str, grant: Grant, seconds: float) -> str:
    return f"{base}/storage/{grant.job_id}/{grant.part}?{core.signer.query(grant, seconds)}"


def _check_signature(request: Request, grant: Grant) -> None:
    query = request.query_params
    if not core_of(request).signer.allows(
        grant, query.get("expires", ""), query.get("signature", "")
    ):
        raise refusals.bad_signature()


_JOB = "/Network/{hub}/Groups/{group}/Projects/{project}/Jobs/{job_id}"

ROUTES = [
    Route(_JOB + "/jobUploadUrl", upload_url),
    Route(_JOB + "/jobDownloadUrl", job_download_url),
    Route(_JOB + "/resultDownloadUrl", result_download_url),
    Route(_JOB + "/resultDownloaded", result_downloaded, methods=["POST"]),
    Route("/storage/{job_id}/qobj", upload, methods=["PUT"]),
    Route("/storage/{job_id}/{part}", download, methods=["GET"]),
]
