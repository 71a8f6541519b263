"""The statements that change a job, each of which decides by itself whether it may.

Built once: to build such a statement takes longer than to carry it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import bindparam, update
from sqlalchemy.sql.dml import ReturningUpdate

from qtower.service import statuses
from qtower.service.records import NewJob, step
from qtower.service.schema import jobs

INSERT = jobs.insert()
NOTE_UPLOAD = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.status == statuses.CREATING)
    .values(qobj_bytes=bindparam("new_qobj_bytes"), updated=bindparam("new_updated"))
)
ACCEPT = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("job_id"),
        jobs.c.status == statuses.CREATING,
        jobs.c.qobj_bytes.is_not(None),
    )
    .values(
        status=statuses.CREATED,
        place_in_line=bindparam("new_place"),
        updated=bindparam("new_updated"),
        steps=jobs.c.steps + bindparam("new_steps"),
    )
)


@lru_cache(maxsize=64)
def move(before: tuple[str, ...], columns: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Returns the statement that moves a job out of these statuses and sets these columns."""
    names = ("status", "updated", "steps", *columns)
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    for added_to in {"steps", "attempts"} & values.keys():
        values[added_to] = jobs.c[added_to] + values[added_to]
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("job_id"), jobs.c.status.in_(before))
        .values(values)
        .returning(jobs.c.place_in_line)
    )


def first_values(new: NewJob, stamp: int) -> dict[str, Any]:
    """Returns the columns of a job that was created at `stamp`, without its id."""
    return {
        "user": new.owner.user,
        "hub": new.owner.hub,
        "group_name": new.owner.group,
        "project": new.owner.project,
        "backend": new.backend,
        "name": new.name,
        "tags": encode_tags(new.tags),
        "experiment_tag": new.experiment_tag,
        "live_data_enabled": new.live_data_enabled,
        "client_name": new.client_name,
        "client_version": new.client_version,
        "status": statuses.CREATING,
        "created": stamp,
        "updated": stamp,
        "steps": step(statuses.CREATING, stamp),
        "attempts": 0,
        "has_result": False,
    }


def encode_tags(tags: Sequence[str]) -> str:
    """Returns tags as their column has them."""
    return msgspec.json.encode(list(tags)).decode()
