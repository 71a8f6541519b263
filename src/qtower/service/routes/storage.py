"""Object storage: qobjs come and results go under signed addresses, without an access token."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from qtower.service import payloads, refusals
from qtower.service.access import Grant
from qtower.service.core import Core
from qtower.service.dispatcher import UPLOAD_SECONDS
from qtower.service.routes.exchange import (
    QOBJ_LIMIT,
    answer,
    base_address,
    core_of,
    owned_job,
    read_body,
)
from qtower.service.statuses import CREATING

_PIECE = 1_000_000  # bytes
_DOWNLOAD_SECONDS = 600.0  # the client's own patience with object storage


def upload_address(core: Core, base: str, job_id: str) -> str:
    """Returns where the qobj of a job is to be put."""
    return _address(core, base, Grant("PUT", job_id, "qobj"), UPLOAD_SECONDS)


def upload_url(request: Request) -> Response:
    """Says once more where the qobj of a job is to be put."""
    job = owned_job(request)
    if job.status != CREATING:
        raise refusals.upload_refused(job.status)
    return answer({"url": upload_address(core_of(request), base_address(request), job.id)})


def job_download_url(request: Request) -> Response:
    """Says where the qobj of a job is to be had."""
    job = owned_job(request)
    if job.qobj_bytes is None:
        raise refusals.no_qobj()
    return answer({"url": _download_address(request, Grant("GET", job.id, "qobj"))})


def result_download_url(request: Request) -> Response:
    """Says where the result of a job is to be had."""
    job = owned_job(request)
    if not job.has_result:
        raise refusals.no_result()
    return answer({"url": _download_address(request, Grant("GET", job.id, "result"))})


def result_downloaded(request: Request) -> Response:
    """The client has the result; it can have it again."""
    return answer({"id": owned_job(request).id})


async def upload(request: Request) -> Response:
    """Takes a qobj; answers when it is on disk. What is in it, validation will say."""
    grant = Grant("PUT", request.path_params["job_id"], "qobj")
    _check_signature(request, grant)
    core = core_of(request)
    await run_in_threadpool(_expect_upload, core, grant.job_id)
    content = await read_body(request, QOBJ_LIMIT)
    await run_in_threadpool(_store_upload, core, grant.job_id, content)
    return Response(status_code=200)


def download(request: Request) -> Response:
    """Gives a qobj or a result as plain JSON."""
    grant = Grant("GET", request.path_params["job_id"], request.path_params["part"])
    _check_signature(request, grant)
    files = core_of(request).payloads
    is_qobj = grant.part == "qobj"
    file = files.qobj_file(grant.job_id) if is_qobj else files.result_file(grant.job_id)
    try:
        content = payloads.read(file)
    except FileNotFoundError:
        raise (refusals.no_qobj() if is_qobj else refusals.no_result()) from None
    # In pieces, so that other requests get their turn while a large result goes out.
    length = {"content-length": str(len(content))}
    return StreamingResponse(_pieces(content), headers=length, media_type="application/json")


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


def _expect_upload(core: Core, job_id: str) -> None:
    job = core.store.listed_job(job_id)
    if job is None:
        raise refusals.no_such_job()
    if job.status != CREATING:
        raise refusals.upload_refused(job.status)


def _store_upload(core: Core, job_id: str, content: bytes) -> None:
    payloads.write(core.payloads.qobj_file(job_id), content)
    if core.store.note_upload(job_id, len(content)):
        return
    # While it came, the job was cancelled, expired or deleted, or a twin of this upload was taken.
    job = core.store.listed_job(job_id)
    if job is None or job.qobj_bytes is None:
        core.payloads.remove(job_id)
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
