"""Every query on stored jobs. Nothing of HTTP, nothing of the queue.

A method that changes something returns when it is on disk (SQLite in WAL mode, synchronous=FULL).
Whether a job may change is decided in the database, by one conditional UPDATE: of a cancel and a
completion that race, one changes the row and the other learns that it came too late.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, update

from qtower.service import statuses
from qtower.service.database import make_tables, open_database, time_limit
from qtower.service.filters import Listing
from qtower.service.records import Change, NewJob, Owner, StoredJob, from_row, step
from qtower.service.schema import access_tokens, job_tags, jobs

_LISTED = [c for c in jobs.c if c.name not in ("steps", "error_message", "error_code")]

_RUNS_REMEMBERED = 20


class Store:
    """The jobs of all users in one SQLite file.

    Raises:
        StorageError: The file is of a newer qtower.
    """

    def __init__(self, file: Path) -> None:
        self._engine = open_database(file)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lock = threading.Lock()  # one writer at a time
        with self._engine.begin() as connection:
            make_tables(connection, file)
            self._last_stamp = _latest_stamp(connection)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    # -- reading -------------------------------------------------------------------------------

    def job(self, job_id: str) -> StoredJob | None:
        """Returns a job with all that is known of it."""
        with self._reading.connect() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
        return from_row(row) if row is not None else None

    def listed_job(self, job_id: str) -> StoredJob | None:
        """Returns a job as in a listing: without steps and error."""
        with self._reading.connect() as connection:
            row = connection.execute(select(*_LISTED).where(jobs.c.id == job_id)).first()
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
        with self._reading.connect() as connection, time_limit(connection):
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
                jobs.insert().values(id=job_id, created=stamp, **_first_values(new, stamp))
            )
            _write_tags(connection, job_id, new.tags)
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()
        return from_row(row)

    def note_upload(self, job_id: str, size: int) -> bool:
        """Notes that the qobj, `size` bytes, is on disk; False if the job takes none any more."""
        with self._writing() as connection:
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.status == statuses.CREATING)
                .values(qobj_bytes=size, updated=self._stamp())
            )
        return changed.rowcount == 1

    def accept(self, job_id: str) -> Change | None:
        """Takes a job whose qobj has come into the order of the queue; None if it was before."""
        with self._writing() as connection:
            stamp = self._stamp()
            changed = connection.execute(
                update(jobs)
                .where(
                    jobs.c.id == job_id,
                    jobs.c.status == statuses.CREATING,
                    jobs.c.qobj_bytes.is_not(None),
                )
                .values(place_in_line=stamp, **_entering(statuses.CREATED, stamp, stamp))
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
            columns: Other columns to set.
        """
        with self._writing() as connection:
            stamp = self._stamp()
            when = stamp if at is None else min(stamp, round(at * 1_000_000))
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.status.in_(before))
                .values(**_entering(status, stamp, when), **columns)
                .returning(jobs.c.place_in_line)
            ).first()
        return Change(job_id, status, stamp, changed[0]) if changed is not None else None

    def fail(self, job_id: str, status: str, message: str, code: int) -> Change | None:
        """Ends an unfinished job with an error; None if it had ended."""
        return self.move(
            job_id,
            status,
            statuses.UNFINISHED,
            error_message=sentence(message),
            error_code=code,
        )

    def begin_run(self, job_id: str, at: float) -> Change | None:
        """Moves a queued job to RUNNING and counts the attempt; None if it is not queued."""
        attempts = jobs.c.attempts + 1
        return self.move(job_id, statuses.RUNNING, (statuses.QUEUED,), at=at, attempts=attempts)

    def put_back(self, job_id: str, *, forgive: bool = False) -> Change | None:
        """Moves a running job back to QUEUED, to run again; None if it is not running.

        Args:
            job_id: The job.
            forgive: The attempt does not count: it was not the job that ended it.
        """
        attempts = jobs.c.attempts - 1 if forgive else jobs.c.attempts
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
        with self._lock, self._engine.begin() as connection:
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


def _entering(status: str, stamp: int, when: int) -> dict[str, Any]:
    return {"status": status, "updated": stamp, "steps": jobs.c.steps + step(status, when)}


def _write_tags(connection: Connection, job_id: str, tags: Iterable[str]) -> None:
    if rows := [{"tag": tag, "job_id": job_id} for tag in tags]:
        connection.execute(job_tags.insert(), rows)


def _encode(tags: Sequence[str]) -> str:
    return msgspec.json.encode(list(tags)).decode()
