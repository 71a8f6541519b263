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
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 1

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("user", Text, nullable=False),
    Column("hub", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("name", Text),
    Column("tags", Text, nullable=False),  # a JSON list; `job_tags` has them for filters
    Column("experiment_tag", Text),
    Column("live_data_enabled", Boolean, nullable=False),
    Column("client_name", Text),
    Column("client_version", Text),
    Column("status", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("steps", Text, nullable=False),  # "STATUS TIME" a line, oldest first, only added to
    Column("place_in_line", BigInteger),  # when its qobj was acknowledged: the queue's order
    Column("attempts", Integer, nullable=False),
    Column("run_seconds", Float),
    Column("qobj_bytes", BigInteger),  # none until the qobj is stored
    Column("has_result", Boolean, nullable=False),
    Column("shots", Integer),
    Column("summary", Text),  # JSON, as in `summaryData.summary`
    Column("error_message", Text),
    Column("error_code", Integer),
)

# A page of a user's jobs, whatever the store holds of others and of finished ones.
_owner = (jobs.c.user, jobs.c.hub, jobs.c.group_name, jobs.c.project)
Index("jobs_by_creation", *_owner, jobs.c.created, unique=True)
Index("jobs_by_update", *_owner, jobs.c.updated)
Index("jobs_by_status", *_owner, jobs.c.status, jobs.c.created)
Index("jobs_by_end", jobs.c.status, jobs.c.updated)

job_tags = Table(
    "job_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("job_id", String(24), primary_key=True),
)
Index("tags_by_job", job_tags.c.job_id)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user", Text, nullable=False),
    Column("login_digest", String(64), nullable=False),  # of the API token that it was given for
    Column("expires", BigInteger, nullable=False),
)
