"""A stored job as the API's JSON: as in a listing, in full, and its status alone."""

from __future__ import annotations

from typing import Any

from qtower.service import statuses
from qtower.service.fields import JOB_KIND, RUN_MODE
from qtower.service.line import Place
from qtower.service.qobjs import QobjSummary
from qtower.service.records import StoredJob

_NAMES_SHOWN = 3


def listed_document(job: StoredJob, place: Place | None) -> dict[str, Any]:
    """Returns a job as in a listing: no steps, no error. `place` is known only while QUEUED."""
    document: dict[str, Any] = {
        "id": job.id,
        "creationDate": statuses.to_date(job.created),
        "updatedDate": statuses.to_date(job.updated),
        "status": job.status,
        "kind": JOB_KIND,
        "backend": {"name": job.backend},
        "hubInfo": hub_info(job.owner.hub, job.owner.group, job.owner.project),
        "tags": list(job.tags),
        "runMode": RUN_MODE,
        "liveDataEnabled": job.live_data_enabled,
    }
    optional = {
        "name": job.name,
        "experimentTag": job.experiment_tag,
        "shots": job.shots,
        "clientInfo": _client_info(job),
        "summaryData": _summary_data(job),
        "infoQueue": queue_document(place) if job.status == statuses.QUEUED else None,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def full_document(job: StoredJob, place: Place | None) -> dict[str, Any]:
    """Returns all that is known of a job."""
    document = listed_document(job, place)
    document["timePerStep"] = {status: statuses.to_date(time) for status, time in job.steps.items()}
    if job.error_message is not None:
        document["error"] = {"message": job.error_message, "code": job.error_code}
    return document


def accepted_document(job: StoredJob, place: Place | None) -> dict[str, Any]:
    """Returns a job whose qobj has just come. The client takes an `error` in it for a refusal."""
    document = full_document(job, place)
    document.pop("error", None)
    return document


def status_document(job_id: str, status: str, place: Place | None) -> dict[str, Any]:
    """Returns a job's status, and its place in the line while it is QUEUED."""
    document: dict[str, Any] = {"id": job_id, "kind": JOB_KIND, "status": status}
    if status == statuses.QUEUED and place is not None:
        document["infoQueue"] = queue_document(place)
    return document


def hub_info(hub: str, group: str, project: str) -> dict[str, Any]:
    """Returns `hubInfo`."""
    return {"hub": {"name": hub}, "group": {"name": group}, "project": {"name": project}}


def queue_document(place: Place | None) -> dict[str, Any] | None:
    """Returns `infoQueue`; the priorities are in (0, 1]."""
    if place is None:
        return None
    document: dict[str, Any] = {
        "status": "PENDING_IN_QUEUE",
        "position": place.position,
        "hubPriority": place.priorities.hub,
        "groupPriority": place.priorities.group,
        "projectPriority": place.priorities.project,
    }
    if place.starts is not None and place.ends is not None:
        document["estimatedStartTime"] = statuses.to_date(round(place.starts * 1_000_000))
        document["estimatedCompleteTime"] = statuses.to_date(round(place.ends * 1_000_000))
    return document


def summary_document(summary: QobjSummary) -> dict[str, Any]:
    """Returns `summaryData.summary` of a qobj that could be read."""
    config: dict[str, Any] = {
        "type": summary.kind,
        "shots": summary.shots,
        "memory": summary.memory,
        "meas_level": summary.meas_level,
        "n_qubits": summary.qubits,
        "num_experiments": summary.experiments,
    }
    return {
        "partial_validation": False,
        "num_circuits": summary.experiments,
        "max_qubits_used": summary.qubits,
        "experiment_names": summary.names[:_NAMES_SHOWN],
        "qobj_config": config,
    }


def _summary_data(job: StoredJob) -> dict[str, Any] | None:
    document: dict[str, Any] = {}
    if job.summary is not None:
        document = {
            "size": {"input": job.qobj_bytes},
            "success": job.status == statuses.COMPLETED,
            "summary": job.summary,
        }
    if job.payloads_removed is not None:
        date = statuses.date_in_words(job.payloads_removed)
        document["note"] = f"Its qobj and result were removed at {date}, for their age"
    elif job.result_read is not None:
        date = statuses.date_in_words(job.result_read)
        document["note"] = f"Its result was given out, once, at {date}"
    return document or None


def _client_info(job: StoredJob) -> dict[str, str] | None:
    if job.client_name is None:
        return None
    return {"name": job.client_name, "version": job.client_version or ""}
