"""Jobs: create, list, read, cancel, rename, retag, delete. See docs/api.md for the whole table."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qtower.service import refusals
from qtower.service.core import Core
from qtower.service.documents import (
    accepted_document,
    full_document,
    listed_document,
    status_document,
)
from qtower.service.fields import FilterError
from qtower.service.filters import Listing, parse_listing
from qtower.service.records import NewJob, Owner, StoredJob
from qtower.service.routes.backends import job_limit
from qtower.service.routes.exchange import (
    answer,
    base_address,
    core_of,
    owned_job,
    owner_of,
    read_json,
)
from qtower.service.routes.storage import upload_address
from qtower.service.statuses import CANCELLED

_MAX_TEXT = 1_000  # characters of a name, a tag, or another text
_MAX_TAGS = 100
_MAX_TAGS_TEXT = 5_000
_ALREADY_ENDED = 3209
_ID_FIELDS = frozenset({"id", "creationDate", "liveDataEnabled"})


async def create(request: Request) -> Response:
    """Stores a new job and says where its qobj goes."""
    owner, core = owner_of(request), core_of(request)
    address = base_address(request)
    new = _read_new_job(request, owner, await read_json(request))
    job = await run_in_threadpool(_create, core, new)
    storage = {"uploadUrl": upload_address(core, address, job.id)}
    return answer({**listed_document(job, None), "objectStorageInfo": storage})


def data_uploaded(request: Request) -> Response:
    """Takes a job whose qobj has come into the queue. Asked twice, it answers twice."""
    core, job = core_of(request), owned_job(request)
    if job.qobj_bytes is None:
        raise refusals.upload_refused(job.status) if job.final else refusals.no_qobj()
    core.dispatcher.accept(job.id)
    stored = _read_again(core, job.id)
    return answer({"job": accepted_document(stored, core.dispatcher.place(stored.place_in_line))})


def list_jobs(request: Request) -> Response:
    """Lists the user's jobs that a filter lets through, a page at a time."""
    return answer(_list(request, None))


def list_ids(request: Request) -> Response:
    """Lists ids and creation dates."""
    return answer(_list(request, _ID_FIELDS))


def read(request: Request) -> Response:
    """All that is known of a job."""
    job = owned_job(request, in_full=True)
    return answer(full_document(job, core_of(request).dispatcher.place(job.place_in_line)))


def read_status(request: Request) -> Response:
    """A job's status, and its place in the line."""
    job = owned_job(request)
    place = core_of(request).dispatcher.place(job.place_in_line)
    return answer(status_document(job.id, job.status, place))


def read_properties(request: Request) -> Response:
    """The calibration data of the job's backend; `{}` if there is none."""
    device = core_of(request).devices.get(owned_job(request).backend)
    return answer(device.properties if device and device.properties else {})


def cancel(request: Request) -> Response:
    """Cancels a job; says whether it is cancelled, also when it was before."""
    core, job = core_of(request), owned_job(request)
    if core.dispatcher.cancel(job.id):
        return answer({"cancelled": True})
    status = _read_again(core, job.id).status
    if status == CANCELLED:
        return answer({"cancelled": True})
    error = {"message": f"The job had already ended: {status}", "code": _ALREADY_ENDED}
    return answer({"cancelled": False, "error": error})


async def change(request: Request) -> Response:
    """Gives a job another name or other tags, and returns what it was given."""
    job = await run_in_threadpool(owned_job, request)
    content = await read_json(request)
    if not content or not content.keys() <= {"name", "tags"}:
        raise refusals.bad_request('A job has a "name" and "tags" to be changed')
    changed: dict[str, Any] = {}
    if "name" in content:
        changed["name"] = _read_text(content, "name") or ""
    if "tags" in content:
        changed["tags"] = list(_read_tags(content))
    await run_in_threadpool(_change, core_of(request), job.id, changed)
    return answer(changed)


def delete(request: Request) -> Response:
    """Forgets a job and what is stored of it; one that has not ended is cancelled first."""
    core, job = core_of(request), owned_job(request)
    core.dispatcher.cancel(job.id)
    core.store.delete(job.id)
    core.payloads.remove(job.id)
    return answer({})


def _create(core: Core, new: NewJob) -> StoredJob:
    limit = job_limit(core, new.owner, new.backend)
    job = core.store.create(new, limit)
    if job is None:
        raise refusals.job_limit_reached(limit or 0)
    core.dispatcher.expect_upload(job)
    return job


def _change(core: Core, job_id: str, changed: dict[str, Any]) -> None:
    found = core.store.rename(job_id, changed["name"]) if "name" in changed else True
    if "tags" in changed:
        found = core.store.retag(job_id, changed["tags"])
    if not found:
        raise refusals.no_such_job()


def _list(request: Request, only: frozenset[str] | None) -> list[dict[str, Any]]:
    core, owner = core_of(request), owner_of(request)
    try:
        listing = parse_listing(request.query_params.get("filter"))
        found = core.store.jobs(owner, listing)
    except FilterError as error:
        raise refusals.bad_request(str(error)) from None
    place = core.dispatcher.place
    documents = [listed_document(job, place(job.place_in_line)) for job in found]
    wanted = _wanted(listing, only)
    if wanted is None:
        return documents
    return [{k: v for k, v in document.items() if k in wanted} for document in documents]


def _wanted(listing: Listing, only: frozenset[str] | None) -> frozenset[str] | None:
    if only is None or listing.fields is None:
        return only or listing.fields
    return only & listing.fields


def _read_again(core: Core, job_id: str) -> StoredJob:
    job = core.store.job(job_id)
    if job is None:
        raise refusals.no_such_job()
    return job


def _read_new_job(request: Request, owner: Owner, content: dict[str, Any]) -> NewJob:
    backend = content.get("backend")
    name = backend.get("name") if isinstance(backend, dict) else None
    if not isinstance(name, str):
        raise refusals.bad_request('"backend.name" is missing or not a text')
    if name not in core_of(request).devices:
        raise refusals.no_such_backend()
    if content.get("allowObjectStorage") is False:
        raise refusals.bad_request("Jobs are taken by object storage only")
    client = request.headers.get("x-qx-client-application", "")[:_MAX_TEXT]
    client_name, _, client_version = client.partition("/")
    return NewJob(
        owner=owner,
        backend=name,
        name=_read_text(content, "name"),
        tags=_read_tags(content),
        experiment_tag=_read_text(content, "experimentTag"),
        live_data_enabled=content.get("liveDataEnabled") is True,
        client_name=client_name or None,
        client_version=client_version or None,
    )


def _read_text(content: dict[str, Any], field: str) -> str | None:
    text = content.get(field)
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise refusals.bad_request(f'"{field}" is not a text of at most {_MAX_TEXT} characters')
    return text


def _read_tags(content: dict[str, Any]) -> tuple[str, ...]:
    tags = content.get("tags") or []
    if not isinstance(tags, list) or len(tags) > _MAX_TAGS:
        raise refusals.bad_request(f'"tags" is not a list of at most {_MAX_TAGS} texts')
    if not all(isinstance(tag, str) and len(tag) <= _MAX_TEXT for tag in tags):
        raise refusals.bad_request(f"A tag is not a text of at most {_MAX_TEXT} characters")
    if sum(map(len, tags)) > _MAX_TAGS_TEXT:  # all of them stand in every listing
        raise refusals.bad_request(f'"tags" have more than {_MAX_TAGS_TEXT:,} characters in all')
    return tuple(dict.fromkeys(tags))


_JOBS = "/Network/{hub}/Groups/{group}/Projects/{project}/Jobs"
_JOB = _JOBS + "/{job_id}"

ROUTES = [
    Route(_JOBS, create, methods=["POST"]),
    Route(_JOBS + "/status/v/1", list_jobs),
    Route(_JOBS + "/v/1", list_ids),
    Route(_JOB + "/v/1", read),
    Route(_JOB + "/status/v/1", read_status),
    Route(_JOB + "/properties", read_properties),
    Route(_JOB + "/jobDataUploaded", data_uploaded, methods=["POST"]),
    Route(_JOB + "/cancel", cancel, methods=["POST"]),
    Route(_JOB, change, methods=["PUT"]),
    Route(_JOB, delete, methods=["DELETE"]),
]
