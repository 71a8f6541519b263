"""Every query on stored jobs. Nothing of HTTP, nothing of the queue.

A method that changes something returns when it is on disk (of SQLite, or of PostgreSQL's server).
Whether a job may change is decided in the database, by one conditional UPDATE: of a cancel and a
completion that race, one changes the row and the other learns that it came too late.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from qtower.service import statuses
from qtower.service.database import open_database
from qtower.service.filters import Listing
from qtower.service.groupcommit import GroupCommit
from qtower.service.records import Change, NewJob, Owner, Run, StoredJob, from_row, step
from qtower.service.schema import access_tokens, job_tags, jobs

_LISTED = [c for c in jobs.c if c.name not in ("steps", "error_message", "error_code")]

# Built once: to build such a statement takes longer than to carry it out.
_JOB = select(jobs).where(jobs.c.id == bindparam("job_id"))
_LISTED_JOB = select(*_LISTED).where(jobs.c.id == bindparam("job_id"))
_INSERT = jobs.insert()
_NOTE_UPLOAD = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.status == statuses.CREATING)
    .values(qobj_bytes=bindparam("new_qobj_bytes"), updated=bindparam("new_updated"))
)
_ACCEPT = (
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

_RUNS_REMEMBERED = 20


class Store:
    """The jobs of all users, in one SQLite file or at a `postgresql+psycopg://` URL.

    Raises:
        StorageError: It cannot be used; is of a newer qtower; or another service is using it.
    """

    def __init__(self, place: Path | str) -> None:
        self._database = open_database(place)
        self._reading = self._database.reading
        self._commits = GroupCommit(self._database.writing)
        with self._reading.connect() as connection:
            self._last_stamp = _latest_stamp(connection)

    def close(self) -> None:
        """Closes all connections."""
        self._database.close()

    # -- reading -------------------------------------------------------------------------------

    def job(self, job_id: str) -> StoredJob | None:
        """Returns a job with all that is known of it."""
        with self._reading.connect() as connection:
            row = connection.execute(_JOB, {"job_id": job_id}).first()
        return from_row(row) if row is not None else None

    def listed_job(self, job_id: str) -> StoredJob | None:
        """Returns a job as in a listing: without steps and error."""
        with self._reading.connect() as connection:
            row = connection.execute(_LISTED_JOB, {"job_id": job_id}).first()
        return from_row(row) if row is not None else None

    def jobs(self, owner: Owner, listing: Listing) -> list[StoredJob]:
        """Returns a page of the owner's jobs, without steps and errors.

        Raises:
            FilterError: The filter takes too long.
        """
        query = select(*_LISTED).where(*_owned(owner, by_index=not listing.by_tag))
        if listing.where is not None:
            query = query.where(listing.where)
        query = query.order_by(*listing.order).limit(listing.limit).offset(listing.skip)
        with self._reading.connect() as connection, self._database.time_limit(connection):
            return [from_row(row) for row in connection.execute(query)]

    def unfinished_count(self, owner: Owner, backend: str) -> int:
        """Returns how many jobs of the owner on a backend have not ended."""
        with self._reading.connect() as connection:
            return _count_unfinished(connection, owner, backend)

    def unfinished(self) -> list[StoredJob]:
        """Returns all jobs that have not ended, of everybody, in the order of the queue."""
        query = (
            select(*_LISTED)
            .where(jobs.c.status.in_(statuses.UNFINISHED))
            .order_by(func.coalesce(jobs.c.place_in_line, jobs.c.created))
        )
        with self._reading.connect() as connection:
            return [from_row(row) for row in connection.execute(query)]

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

    # -- writing -------------------------------------------------------------------------------

    def create(self, new: NewJob, job_limit: int | None = None) -> StoredJob | None:
        """Stores a new job in CREATING; None if the owner has `job_limit` unfinished ones."""
        with self._writing() as connection:
            if job_limit is not None:
                active = _count_unfinished(connection, new.owner, new.backend)
                if active >= job_limit:
                    return None
            stamp = self._stamp()
            job_id = f"{stamp // 1_000_000:08x}{secrets.token_hex(8)}"
            connection.execute(
                _INSERT, {"id": job_id, "created": stamp, **_first_values(new, stamp)}
            )
            _write_tags(connection, job_id, new.tags)
            row = connection.execute(_JOB, {"job_id": job_id}).one()
        return from_row(row)

    def note_upload(
        self, job_id: str, size: int, put_in_place: Callable[[], object] = lambda: None
    ) -> bool:
        """Notes that the qobj, `size` bytes, is on disk; False if the job takes none any more.

        `put_in_place` is called only if the job takes it, and before anything else can happen to
        the job: what was accepted is never replaced.
        """
        with self._writing() as connection:
            changed = connection.execute(
                _NOTE_UPLOAD,
                {"job_id": job_id, "new_qobj_bytes": size, "new_updated": self._stamp()},
            )
            if changed.rowcount == 1:
                put_in_place()
        return changed.rowcount == 1

    def accept(self, job_id: str) -> Change | None:
        """Takes a job whose qobj has come into the order of the queue; None if it was before."""
        with self._writing() as connection:
            stamp = self._stamp()
            changed = connection.execute(
                _ACCEPT,
                {
                    "job_id": job_id,
                    "new_place": stamp,
                    "new_updated": stamp,
                    "new_steps": step(statuses.CREATED, stamp),
                },
            )
        if changed.rowcount != 1:
            return None
        return Change(job_id, statuses.CREATED, stamp, stamp)

    def move(
        self,
        job_id: str,
        status: str,
        before: Sequence[str],
        *,
        at: float | None = None,
        **columns: Any,
    ) -> Change | None:
        """Moves a job to `status` if it is in one of `before`; None if it is not.

        Args:
            job_id: The job.
            status: The status that it enters.
            before: The statuses out of which it may come.
            at: When it happened, in seconds since 1970; by default now.
            columns: Other columns to set; `attempts` by how much.
        """
        with self._writing() as connection:
            stamp = self._stamp()
            when = stamp if at is None else min(stamp, round(at * 1_000_000))
            values = {"status": status, "updated": stamp, "steps": step(status, when), **columns}
            changed = connection.execute(
                _move(tuple(before), tuple(columns)),
                {"job_id": job_id, **{f"new_{name}": value for name, value in values.items()}},
            ).first()
        return Change(job_id, status, stamp, changed[0]) if changed is not None else None

    def fail(
        self, job_id: str, status: str, message: str, code: int, **columns: Any
    ) -> Change | None:
        """Ends an unfinished job with an error; None if it had ended."""
        return self.move(
            job_id,
            status,
            statuses.UNFINISHED,
            error_message=sentence(message),
            error_code=code,
            **columns,
        )

    def begin_run(self, job_id: str, at: float) -> Change | None:
        """Moves a queued job to RUNNING and counts the attempt; None if it is not queued."""
        return self.move(job_id, statuses.RUNNING, (statuses.QUEUED,), at=at, attempts=1)

    def put_back(self, job_id: str, *, forgive: bool = False) -> Change | None:
        """Moves a running job back to QUEUED, to run again; None if it is not running.

        Args:
            job_id: The job.
            forgive: The attempt does not count: it was not the job that ended it.
        """
        attempts = -1 if forgive else 0
        return self.move(job_id, statuses.QUEUED, (statuses.RUNNING,), attempts=attempts)

    def rename(self, job_id: str, name: str) -> bool:
        """Gives the job another name; False if it is gone."""
        with self._writing() as connection:
            changed = connection.execute(
                update(jobs).where(jobs.c.id == job_id).values(name=name, updated=self._stamp())
            )
        return changed.rowcount == 1

    def retag(self, job_id: str, tags: Sequence[str]) -> bool:
        """Gives the job other tags; False if it is gone."""
        with self._writing() as connection:
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(tags=_encode(tags), updated=self._stamp())
            )
            if changed.rowcount == 1:
                connection.execute(job_tags.delete().where(job_tags.c.job_id == job_id))
                _write_tags(connection, job_id, tags)
        return changed.rowcount == 1

    def note_result_read(self, job_id: str) -> bool:
        """Notes that the result was given out and is no more; False if that was so before."""
        with self._writing() as connection:
            stamp = self._stamp()
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.result_read.is_(None))
                .values(result_read=stamp, has_result=False, updated=stamp)
            )
        return changed.rowcount == 1

    def note_removal(self, job_id: str) -> bool:
        """Notes that qobj and result of a job that ended are removed; False if it is gone."""
        with self._writing() as connection:
            stamp = self._stamp()
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.status.in_(statuses.FINAL))
                .values(payloads_removed=stamp, has_result=False, updated=stamp)
            )
        return changed.rowcount == 1

    def delete(self, job_id: str) -> None:
        """Forgets a job."""
        with self._writing() as connection:
            connection.execute(job_tags.delete().where(job_tags.c.job_id == job_id))
            connection.execute(jobs.delete().where(jobs.c.id == job_id))

    # -- access tokens -------------------------------------------------------------------------

    def add_access_token(self, digest: str, user: str, login_digest: str, expires: int) -> None:
        """Stores an access token's digest, and forgets those that have expired."""
        with self._writing() as connection:
            now = self._stamp()
            connection.execute(access_tokens.delete().where(access_tokens.c.expires <= now))
            connection.execute(
                access_tokens.insert().values(
                    digest=digest, user=user, login_digest=login_digest, expires=expires
                )
            )

    def renew_access_token(self, digest: str, expires: int) -> None:
        """Lets an access token last longer."""
        with self._writing() as connection:
            connection.execute(
                update(access_tokens)
                .where(access_tokens.c.digest == digest)
                .values(expires=expires)
            )

    def access_token(self, digest: str) -> tuple[str, str, int] | None:
        """Returns user, digest of the API token, and expiry of an access token."""
        query = select(
            access_tokens.c.user, access_tokens.c.login_digest, access_tokens.c.expires
        ).where(access_tokens.c.digest == digest)
        with self._reading.connect() as connection:
            row = connection.execute(query).first()
        return (row[0], row[1], row[2]) if row is not None else None

    # -- inside --------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._commits.writing() as connection:
            yield connection

    def _stamp(self) -> int:
        # Strictly increasing, because the client pages by creation date and leaves out only the
        # last id at an equal date, and because a reader of `updatedDate` must miss no change.
        self._last_stamp = max(time.time_ns() // 1000, self._last_stamp + 1)
        return self._last_stamp


def _first_values(new: NewJob, stamp: int) -> dict[str, Any]:
    return {
        "user": new.owner.user,
        "hub": new.owner.hub,
        "group_name": new.owner.group,
        "project": new.owner.project,
        "backend": new.backend,
        "name": new.name,
        "tags": _encode(new.tags),
        "experiment_tag": new.experiment_tag,
        "live_data_enabled": new.live_data_enabled,
        "client_name": new.client_name,
        "client_version": new.client_version,
        "status": statuses.CREATING,
        "updated": stamp,
        "steps": step(statuses.CREATING, stamp),
        "attempts": 0,
        "has_result": False,
    }


def sentence(message: str) -> str:
    """The client shows `MESSAGE. Error code: NNNN.`: the full stop is its own."""
    return message.removesuffix(".")


def _latest_stamp(connection: Connection) -> int:
    latest = connection.execute(select(func.max(jobs.c.created), func.max(jobs.c.updated))).one()
    return max(latest[0] or 0, latest[1] or 0)


def _owned(owner: Owner, *, by_index: bool = True) -> list[ColumnElement[bool]]:
    values = {
        jobs.c.user: owner.user,
        jobs.c.hub: owner.hub,
        jobs.c.group_name: owner.group,
        jobs.c.project: owner.project,
    }
    # No index has the sum of a column and nothing: SQLite then looks for another way in.
    return [(key if by_index else key.concat("")) == value for key, value in values.items()]


def _count_unfinished(connection: Connection, owner: Owner, backend: str) -> int:
    query = select(func.count()).where(
        *_owned(owner), jobs.c.status.in_(statuses.UNFINISHED), jobs.c.backend == backend
    )
    return connection.execute(query).scalar_one()


@lru_cache(maxsize=64)
def _move(before: tuple[str, ...], columns: tuple[str, ...]) -> ReturningUpdate[Any]:
    """The statement that moves a job out of one of these statuses and sets these columns."""
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


def _write_tags(connection: Connection, job_id: str, tags: Iterable[str]) -> None:
    if rows := [{"tag": tag, "job_id": job_id} for tag in tags]:
        connection.execute(job_tags.insert(), rows)


def _encode(tags: Sequence[str]) -> str:
    return msgspec.json.encode(list(tags)).decode()
