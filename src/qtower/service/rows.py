"""Rows of the store as records: which columns are read, and in which order."""

from __future__ import annotations

from typing import Any

import msgspec

from qtower.service.records import Owner, StoredJob, read_steps
from qtower.service.schema import jobs

LISTED = (
    *(jobs.c.id, jobs.c.user, jobs.c.hub, jobs.c.group_name, jobs.c.project),
    *(jobs.c.backend, jobs.c.name, jobs.c.tags, jobs.c.experiment_tag, jobs.c.live_data_enabled),
    *(jobs.c.client_name, jobs.c.client_version, jobs.c.status, jobs.c.created, jobs.c.updated),
    *(jobs.c.place_in_line, jobs.c.attempts, jobs.c.qobj_bytes, jobs.c.has_result),
    *(jobs.c.result_read, jobs.c.payloads_removed, jobs.c.shots, jobs.c.summary),
)
WHOLE = (*LISTED, jobs.c.steps, jobs.c.error_message, jobs.c.error_code)

_read_tags = msgspec.json.Decoder(list[str]).decode


def listed_job(row: Any) -> StoredJob:
    """Returns the job in a row of the columns `LISTED`."""
    # By place: a page has fifty rows, and to look for names in each takes as long as to read it.
    job_id, user, hub, group, project, backend, name, tags, *more, summary = row
    owner = Owner(user, hub, group, project)
    known = msgspec.json.decode(summary) if summary else None
    fields = [job_id, owner, backend, name, tuple(_read_tags(tags)), *more, known]
    return StoredJob(*fields)


def whole_job(row: Any) -> StoredJob:
    """Returns the job in a row of the columns `WHOLE`."""
    *listed, steps, message, code = row
    return msgspec.structs.replace(
        listed_job(listed), steps=read_steps(steps), error_message=message, error_code=code
    )
