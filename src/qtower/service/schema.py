"""The tables of the store. Times are microseconds since 1970 UTC, and strictly increase."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    literal_column,
)

from qtower.service import statuses
from qtower.service.columns import Words, key

SCHEMA_VERSION = 3

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", key(24), primary_key=True),
    Column("user", Words, nullable=False),
    Column("hub", Words, nullable=False),
    Column("group_name", Words, nullable=False),
    Column("project", Words, nullable=False),
    Column("backend", Words, nullable=False),
    Column("name", Words),
    Column("tags", Words, nullable=False),  # a JSON list; `job_tags` has them for filters
    Column("experiment_tag", Words),
    Column("live_data_enabled", Boolean, nullable=False),
    Column("client_name", Words),
    Column("client_version", Words),
    Column("status", Words, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("steps", Words, nullable=False),  # "STATUS TIME" a line, oldest first, only added to
    Column("place_in_line", BigInteger),  # when its qobj was acknowledged: the queue's order
    Column("attempts", Integer, nullable=False),
    Column("run_seconds", Float),
    Column("qobj_bytes", BigInteger),  # none until the qobj is stored
    Column("has_result", Boolean, nullable=False),
    Column("shots", Integer),
    Column("summary", Words),  # JSON, as in `summaryData.summary`
    Column("error_message", Words),
    Column("error_code", Integer),
    Column("result_read", BigInteger),  # when a result that is given out once was
    Column("payloads_removed", BigInteger),  # when qobj and result were, long after the end
)

# A page of a user's jobs, whatever the store holds of others and of finished ones.
_owner = (jobs.c.user, jobs.c.hub, jobs.c.group_name, jobs.c.project)
Index("jobs_by_creation", *_owner, jobs.c.created, unique=True)
Index("jobs_by_update", *_owner, jobs.c.updated)
Index("jobs_by_status", *_owner, jobs.c.status, jobs.c.created)
Index("jobs_by_end", jobs.c.status, jobs.c.updated)

FAMILIES = {"live": statuses.UNFINISHED, "failed": statuses.ERRORS}


def _family() -> str:
    cases = (
        f"WHEN status IN ({', '.join(map(repr, names))}) THEN '{family}'"
        for family, names in FAMILIES.items()
    )
    return f"(CASE {' '.join(cases)} ELSE 'ended' END)"


# A page of those by date, however many there are, and however many others.
family = literal_column(_family(), Words())
Index("jobs_by_family", *_owner, family, jobs.c.created)

job_tags = Table(
    "job_tags",
    metadata,
    Column("tag", Words, primary_key=True),
    Column("job_id", key(24), primary_key=True),
)
Index("tags_by_job", job_tags.c.job_id)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("digest", key(64), primary_key=True),
    Column("user", Words, nullable=False),
    Column("login_digest", key(64), nullable=False),  # of the API token that it was given for
    Column("expires", BigInteger, nullable=False),
)
