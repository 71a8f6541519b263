"""The store: jobs and access tokens, read and changed. Nothing of HTTP, nothing of the queue.

A method that changes something returns when it is on disk (of SQLite, or of PostgreSQL's server).
Whether a job may change is decided in the database, by one conditional UPDATE: of a cancel and a
completion that race, one changes the row and the other learns that it came too late.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, update

from qtower.service import statements, statuses
from qtower.service.databases import open_database
from qtower.service.groupcommit import GroupCommit
from qtower.service.queries import JOB, Queries, count_unfinished
from qtower.service.records import Change, NewJob, StoredJob, step
from qtower.service.rows import whole_job
from qtower.service.schema import access_tokens, job_tags, jobs

_LONGEST_MESSAGE = 2_000  # characters
_LOGINS_KEPT = 1_000  # of one user


class Store(Queries):
    """The jobs of all users, in one SQLite file or at a `postgresql+psycopg://` URL.

    Raises:
        StorageError: It cannot be used; is of a newer qtower; or another service is using it.
    """

    def __init__(self, place: Path | str) -> None:
        super().__init__(open_database(place))
        self._commits = GroupCommit(self._database.writing)
        with self._reading.connect() as connection:
            self._last_stamp = _latest_stamp(connection)

    def close(self) -> None:
        """Closes all connections."""
        self._database.close()

    # -- writing -------------------------------------------------------------------------------

    def create(self, new: NewJob, job_limit: int | None = None) -> StoredJob | None:
        """Stores a new job in CREATING; None if the owner has `job_limit` unfinished ones."""
        with self._writing() as connection:
            if job_limit is not None:
                active = count_unfinished(connection, new.owner, new.backend)
                if active >= job_limit:
                    return None
            stamp = self._stamp()
            job_id = f"{stamp // 1_000_000:08x}{secrets.token_hex(8)}"
            values = statements.first_values(new, stamp)
            connection.execute(statements.INSERT, {"id": job_id, **values})
            _write_tags(connection, job_id, new.tags)
            row = connection.execute(JOB, {"job_id": job_id}).one()
        return whole_job(row)

    def note_upload(
        self, job_id: str, size: int, put_in_place: Callable[[], object] = lambda: None
    ) -> bool:
        """Notes that the qobj, `size` bytes, is on disk; False if the job takes none any more.

        `put_in_place` is called only if the job takes it, and before anything else can happen to
        the job: what was accepted is never replaced.
        """
        with self._writing() as connection:
            changed = connection.execute(
                statements.NOTE_UPLOAD,
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
                statements.ACCEPT,
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
                statements.move(tuple(before), tuple(columns)),
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
                .values(tags=statements.encode_tags(tags), updated=self._stamp())
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
        """Stores an access token's digest; forgets those that have expired, and of one user's
        thousands those that were used least recently."""
        with self._writing() as connection:
            now = self._stamp()
            connection.execute(access_tokens.delete().where(access_tokens.c.expires <= now))
            connection.execute(
                access_tokens.insert().values(
                    digest=digest, user=user, login_digest=login_digest, expires=expires
                )
            )
            of_user = access_tokens.c.user == user
            latest = select(access_tokens.c.expires).where(of_user)
            oldest_kept = latest.order_by(access_tokens.c.expires.desc()).offset(_LOGINS_KEPT)
            too_old = access_tokens.c.expires <= oldest_kept.limit(1).scalar_subquery()
            connection.execute(access_tokens.delete().where(of_user, too_old))

    def renew_access_token(self, digest: str, expires: int) -> None:
        """Lets an access token last longer."""
        with self._writing() as connection:
            connection.execute(
                update(access_tokens)
                .where(access_tokens.c.digest == digest)
                .values(expires=expires)
            )

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


def sentence(message: str) -> str:
    """The client shows `MESSAGE. Error code: NNNN.`: the full stop is its own.

    What somebody put into a qobj may be in it, and as long as that.
    """
    return message[:_LONGEST_MESSAGE].removesuffix(".")


def _latest_stamp(connection: Connection) -> int:
    latest = connection.execute(select(func.max(jobs.c.created), func.max(jobs.c.updated))).one()
    return max(latest[0] or 0, latest[1] or 0)


def _write_tags(connection: Connection, job_id: str, tags: Iterable[str]) -> None:
    if rows := [{"tag": tag, "job_id": job_id} for tag in tags]:
        connection.execute(job_tags.insert(), rows)
