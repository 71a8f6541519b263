"""A job document of the API as a row.

A document is what `AccountClient.list_jobs_statuses` and `job_get` return: the API's JSON with the
provider's names for its top-level keys (`job_id`, `creation_date`, `_backend_info`, ...). Nothing
in it is taken for granted: what is missing or of the wrong type is not known, and every text of a
row can be written as UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TypeAlias

import msgspec

from qtower.desk.naming import label_of
from qtower.model import JobRow, Status, Step
from qtower.text import encodable

Document: TypeAlias = Mapping[str, Any]

SET_TAG = re.compile(r"ibmq_jobset_(.+)_", re.DOTALL)
"""The tag that `ManagedJobSet` puts on its jobs; its group is the set's id."""

SET_JOB_NAME = re.compile(r"(.*)_([0-9]{1,9})_", re.DOTALL)
"""The name of a job in a set: the set's name and the job's index."""

# qiskit.providers.ibmq.utils.utils.API_TO_JOB_STATUS, version 0.20.2
STATUSES = {
    "CREATING": Status.INITIALIZING,
    "CREATED": Status.INITIALIZING,
    "TRANSPILING": Status.INITIALIZING,
    "TRANSPILED": Status.INITIALIZING,
    "VALIDATING": Status.VALIDATING,
    "VALIDATED": Status.VALIDATING,
    "PENDING_IN_QUEUE": Status.QUEUED,
    "QUEUED": Status.QUEUED,
    "RUNNING": Status.RUNNING,
    "COMPLETED": Status.DONE,
    "CANCELLED": Status.CANCELLED,
    "ERROR_CREATING_JOB": Status.ERROR,
    "ERROR_VALIDATING_JOB": Status.ERROR,
    "ERROR_TRANSPILING_JOB": Status.ERROR,
    "ERROR_RUNNING_JOB": Status.ERROR,
}
"""The API's statuses, and what Qiskit makes of them."""

_MOST = 10**9  # of anything that is counted: with more it is no number of ours
# From the year 2 to 9997: nearer to the ends of the calendar some time zone is beyond them.
_EARLIEST, _LATEST = -62_104_060_800.0, 253_339_228_800.0

FINAL_API_STATUSES = sorted(api for api, status in STATUSES.items() if status.final)

# A fraction of any length, an offset with or without its colon or minutes: of these, the
# `fromisoformat` of Python 3.10 takes only three or six digits, and "+00:00".
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,]([0-9]+))? ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


class Membership(msgspec.Struct, frozen=True):
    """Which place of which set a job says it has."""

    set_id: str = ""
    set_name: str = ""
    index: int | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one document says, before it is known which row it belongs to."""

    row: JobRow  # its key is the job id, and its experiments count from 0
    experiments: int | None
    updated: str  # the document's own time of change, as it was written; "" if it has none


def read_document(document: Document, now: float) -> Reading | None:
    """What `document` says; None if it has no id or no status, so that no row can be made of it.

    No id has a slash: none of them could be asked for, and it may be the key of another row.
    """
    job_id, api_status = _text(document, "job_id"), _text(document, "status").upper()
    if not job_id or "/" in job_id or not api_status:
        return None
    status = STATUSES.get(api_status, Status.UNKNOWN)
    summary = _mapping(_mapping(document, "summary_data"), "summary")
    experiments = _whole(summary, "num_circuits")
    queue = _mapping(document, "info_queue") if status is Status.QUEUED else {}
    steps = read_steps(document.get("time_per_step"))
    tags = _strings(document.get("tags"))
    name = _text(document, "name")
    membership = read_membership(name, tags)
    row = JobRow(
        key=job_id,
        job_id=job_id,
        status=status,
        name=name,
        label=label_of(_strings(summary.get("experiment_names")), experiments or 0),
        set_id=membership.set_id,
        set_name=membership.set_name,
        index=membership.index,
        start_index=0 if experiments else None,
        end_index=experiments - 1 if experiments else None,
        backend=_text(_mapping(document, "_backend_info"), "name"),
        shots=_whole(_mapping(summary, "qobj_config"), "shots"),
        queue_position=_whole(queue, "position"),
        estimated_start=epoch(queue.get("estimated_start_time")),
        created=epoch(document.get("creation_date")),
        since=steps[-1].at if steps else None,
        run_seconds=_run_seconds(steps) if status.final else None,
        tags=tuple(tag for tag in tags if not SET_TAG.fullmatch(tag)),
        error=_error(document, api_status) if status is Status.ERROR else "",
        confirmed=now,
    )
    return Reading(
        row=row,
        experiments=experiments,
        updated=_text(document, "updated_date"),
    )


def read_membership(name: str, tags: list[str]) -> Membership:
    """The set that the tags name, and the set's name and the index that the job's name holds."""
    for tag in tags:
        if tagged := SET_TAG.fullmatch(tag):
            if named := SET_JOB_NAME.fullmatch(name):
                return Membership(tagged.group(1), named.group(1), int(named.group(2)))
            return Membership(tagged.group(1))
    return Membership()


def read_steps(time_per_step: Any) -> list[Step]:
    """The steps of `timePerStep`, in order of time."""
    if not isinstance(time_per_step, Mapping):
        return []
    times = [(epoch(at), encodable(str(name))) for name, at in time_per_step.items()]
    steps = [Step(name=name, at=at) for at, name in times if at is not None]
    return sorted(steps, key=lambda step: step.at)


def epoch(value: Any) -> float | None:
    """Seconds since 1970 of an ISO 8601 text or a datetime; one without a zone is UTC.

    None for what is no date, or so far away that no calendar shows it in every time zone.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(_plain_date(value.strip()))
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    seconds: float = value.timestamp()
    return seconds if plausible(seconds) else None


def plausible(seconds: float) -> bool:
    """Whether a calendar shows this moment, in every time zone."""
    return _EARLIEST < seconds < _LATEST


def error_line(error: Any) -> str:
    """The API's `error` as the provider words it: "MESSAGE. Error code: NNNN."; "" without one."""
    message = _text(error, "message") if isinstance(error, Mapping) else ""
    if not message:
        return ""
    return encodable(f"{message}. Error code: {error.get('code')}.")


def _plain_date(text: str) -> str:
    """A date and time with six digits of the second and an offset in hours and minutes."""
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    date, time, fraction, zone = (group or "" for group in found.groups())
    digits = zone[1:].replace(":", "")
    offset = f"{zone[0]}{digits[:2]}:{digits[2:] or '00'}" if digits else "+00:00"
    return f"{date}T{time}.{fraction[:6]:0<6}{offset}"


def _run_seconds(steps: list[Step]) -> float | None:
    started = [step.at for step in steps if step.name == "RUNNING"]
    return max(0.0, steps[-1].at - started[0]) if started else None


def _error(document: Document, api_status: str) -> str:
    line = error_line(document.get("error")) or ("" if api_status == "ERROR" else api_status)
    return line.splitlines()[0] if line else ""


def _strings(value: Any) -> list[str]:
    found = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return [encodable(item) for item in found]


def _text(document: Any, name: str) -> str:
    value = document.get(name)
    return encodable(value) if isinstance(value, str) else ""


def _whole(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST:
        return value
    return None


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}
