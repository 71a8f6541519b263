"""What is read of stored jobs: one, a page, the queue, sums. Nothing here changes anything."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from qtower.service import statuses
from qtower.service.database import Database
from qtower.service.filters import Listing
from qtower.service.records import Owner, Run, StoredJob
from qtower.service.rows import LISTED, WHOLE, listed_job, whole_job
from qtower.service.schema import access_tokens, jobs

# Built once: to build such a statement takes longer than to carry it out.
JOB = select(*WHOLE).where(jobs.c.id == bindparam("job_id"))
_LISTED_JOB = select(*LISTED).where(jobs.c.id == bindparam("job_id"))

_RUNS_REMEMBERED = 20


class Queries:
    """Reads one database; any thread may ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = database.reading

    def job(self, job_id: str) -> StoredJob | None:
        """Returns a job with all that is known of it."""
        with self._reading.connect() as connection:
            row = connection.execute(JOB, {"job_id": job_id}).first()
        return whole_job(row) if row is not None else None

    def listed_job(self, job_id: str) -> StoredJob | None:
        """Returns a job as in a listing: without steps and error."""
        with self._reading.connect() as connection:
            row = connection.execute(_LISTED_JOB, {"job_id": job_id}).first()
        return listed_job(row) if row is not None else None

    def jobs(self, owner: Owner, listing: Listing) -> list[StoredJob]:
        """Returns a page of the owner's jobs, without steps and errors.

        Raises:
            FilterError: The filter takes too long.
        """
        query = select(*LISTED).where(*_owned(owner, by_index=not listing.by_tag))
        if listing.where is not None:
            query = query.where(listing.where)
        query = query.order_by(*listing.order).limit(listing.limit).offset(listing.skip)
        with self._reading.connect() as connection, self._database.time_limit(connection):
            return [listed_job(row) for row in connection.execute(query)]

    def unfinished_count(self, owner: Owner, backend: str) -> int:
        """Returns how many jobs of the owner on a backend have not ended."""
        with self._reading.connect() as connection:
            return count_unfinished(connection, owner, backend)

    def unfinished(self) -> list[StoredJob]:
        """Returns all jobs that have not ended, of everybody, in the order of the queue."""
        query = (
            select(*LISTED)
            .where(jobs.c.status.in_(statuses.UNFINISHED))
            .order_by(func.coalesce(jobs.c.place_in_line, jobs.c.created))
        )
        with self._reading.connect() as connection:
            return [listed_job(row) for row in connection.execute(query)]

    def recent_run_seconds(self) -> list[float]:
        """Returns the run times of the jobs that completed last, newest first."""
        query = (
            select(jobs.c.run_seconds)
            .where(jobs.c.status == statuses.COMPLETED, jobs.c.run_seconds.is_not(None))
            .order_by(jobs.c.updated.desc())
            .limit(_RUNS_REMEMBERED)
        )
        with self._reading.connect() as connection:
            return [seconds for (seconds,) in connection.execute(query)]

    def runs_since(self, moment: int) -> list[Run]:
        """Returns the runs of the jobs that ended, or were changed, after `moment`."""
        query = select(
            jobs.c.user,
            jobs.c.hub,
            jobs.c.group_name,
            jobs.c.project,
            jobs.c.run_seconds,
            jobs.c.updated,
        ).where(
            jobs.c.status.in_(statuses.FINAL),
            jobs.c.updated > moment,
            jobs.c.run_seconds.is_not(None),
        )
        with self._reading.connect() as connection:
            return [Run(Owner(*row[:4]), row[4], row[5]) for row in connection.execute(query)]

    def ended_before(self, moment: int, since: int, limit: int) -> list[tuple[str, int]]:
        """Returns jobs with payloads that ended, and were last changed, from `since` to `moment`.

        Returns:
            Id and last change, the oldest first, at most `limit`.
        """
        query = (
            select(jobs.c.id, jobs.c.updated)
            .where(
                jobs.c.status.in_(statuses.FINAL),
                jobs.c.updated >= since,
                jobs.c.updated < moment,
                jobs.c.payloads_removed.is_(None),
                jobs.c.qobj_bytes.is_not(None),
            )
            .order_by(jobs.c.updated)
            .limit(limit)
        )
        with self._reading.connect() as connection:
            return [(job_id, updated) for job_id, updated in connection.execute(query)]

    def counts(self, user: str | None = None) -> dict[str, int]:
        """Returns how many jobs have each status, of everybody or of one user."""
        query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        if user is not None:
            query = query.where(jobs.c.user == user)
        with self._reading.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def answer(self) -> None:
        """Reads one row, if there is one, to see whether the database answers at all."""
        with self._reading.connect() as connection:
            connection.execute(select(jobs.c.id).limit(1)).first()

    @property
    def in_place(self) -> bool:
        """Whether what is stored will be found at the next start."""
        return self._database.in_place

    def access_token(self, digest: str) -> tuple[str, str, int] | None:
        """Returns user, digest of the API token, and expiry of an access token."""
        query = select(
            access_tokens.c.user, access_tokens.c.login_digest, access_tokens.c.expires
        ).where(access_tokens.c.digest == digest)
        with self._reading.connect() as connection:
            row = connection.execute(query).first()
        return (row[0], row[1], row[2]) if row is not None else None


def count_unfinished(connection: Connection, owner: Owner, backend: str) -> int:
    """Returns how many jobs of the owner on a backend have not ended, also within a transaction."""
    query = select(func.count()).where(
        *_owned(owner), jobs.c.status.in_(statuses.UNFINISHED), jobs.c.backend == backend
    )
    return connection.execute(query).scalar_one()


def _owned(owner: Owner, *, by_index: bool = True) -> list[ColumnElement[bool]]:
    values = {
        jobs.c.user: owner.user,
        jobs.c.hub: owner.hub,
        jobs.c.group_name: owner.group,
        jobs.c.project: owner.project,
    }
    # No index has the sum of a column and nothing: SQLite then looks for another way in.
    return [(key if by_index else key.concat("")) == value for key, value in values.items()]
