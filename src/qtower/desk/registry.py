"""All jobs of the account: their rows by key, and the way to the provider's instances.

A row's key is `SET_ID/INDEX` in a set and the job id elsewhere. A job keeps its key for life, with
one exception: after a submission that was answered by a server error and repeated, two jobs claim
one place of a set. The one that got its qobj has the place; its twin goes by its job id. A part
that is still being sent here is none that was cancelled, or deleted, as an earlier try of it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from qtower.desk.kept_results import safe_name
from qtower.desk.managed_jobs import ManagedJobs
from qtower.desk.merging import ended_empty, followed, is_behind, merged, same, substance
from qtower.desk.places import counted_through, has_place
from qtower.desk.rows import Document, Reading, epoch, read_document
from qtower.errors import NotFoundError
from qtower.model import JobRow, Status
from qtower.sharing import Shared


class Changes(msgspec.Struct):
    """Rows that are new or different, and keys that are gone."""

    rows: list[JobRow] = []
    gone: list[str] = []
    finished: list[str] = []  # keys of rows that were seen to reach their final status
    unreadable: int = 0  # documents of which no row can be made

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone)


class Registry:
    """Rows and managed jobs. Every method may be called from any thread."""

    def __init__(self, retrieve: Callable[[str], Any]) -> None:
        """`retrieve` returns the `IBMQJob` of a job id, by asking the endpoint."""
        self._lock = threading.RLock()
        self._rows: dict[str, JobRow] = {}
        self._shared = Shared()
        self._live: dict[str, None] = {}  # keys of rows that can still change, some of them gone
        self._keys: dict[str, str] = {}  # by job id
        self._experiments: dict[str, int] = {}  # by key
        self._sets: dict[str, set[str]] = {}  # keys by set id
        self._managed = ManagedJobs(retrieve)

    # -- rows -----------------------------------------------------------------------------------

    def load(self, rows: Iterable[JobRow]) -> list[JobRow]:
        """Takes rows of the journal over and returns them as they are from now on.

        Those that can still change are not confirmed by that.
        """
        loaded = [row if row.status.final else replace(row, confirmed=None) for row in rows]
        with self._lock:
            self._shared.share(loaded)
            for row in loaded:
                self._put(row)
        return loaded

    def rows(self) -> list[JobRow]:
        """All rows as they are now."""
        with self._lock:
            return list(self._rows.values())

    def rows_of(self, keys: Iterable[str]) -> list[JobRow]:
        """The rows of those of the keys that have one."""
        with self._lock:
            return [self._rows[key] for key in keys if key in self._rows]

    def live(self) -> list[JobRow]:
        """The rows that can still change."""
        with self._lock:
            return [self._rows[key] for key in self._live if key in self._rows]

    def unknown(self, job_ids: set[str]) -> set[str]:
        """Those of the job ids that no row has."""
        with self._lock:
            return job_ids - self._keys.keys()

    def row(self, key: str) -> JobRow:
        """The row of `key`.

        Raises:
            NotFoundError: There is none.
        """
        with self._lock:
            row = self._rows.get(key)
        if row is None:
            raise NotFoundError(f"There is no job {key} any more.")
        return row

    def absorb(self, documents: Iterable[Document], now: float) -> Changes:
        """Takes in what the endpoint said at `now`, and returns what that changed."""
        readings = [read_document(document, now) for document in documents]
        touched: dict[str, JobRow | None] = {}  # the rows as they were
        with self._lock:
            for reading in readings:
                if reading is not None:
                    self._absorb_one(reading, now, touched)
            self._place_experiments(touched)
            changes = self._collect(touched)
            self._shared.share(changes.rows)
        changes.unreadable = readings.count(None)
        return changes

    def put(self, rows: Iterable[JobRow]) -> Changes:
        """Takes in rows that this program made: parts of a set that is being submitted."""
        touched: dict[str, JobRow | None] = {}
        with self._lock:
            for row in rows:
                known = self._rows.get(row.key)
                touched.setdefault(row.key, known)
                if known is not None and known.job_id not in ("", row.job_id):
                    self._vacate(known, touched)  # a twin was seen before our own job was known
                elif known is not None and is_behind(row, known):
                    continue  # the endpoint was quicker
                if row.key != row.job_id:  # it went by its id while a shell had its place
                    old = self._forget_old_key(row.job_id, touched)
                    if old is not None and is_behind(row, old):
                        row = merged(row, replace(old, key=row.key), None, old.confirmed or 0.0)
                self._put(row)
            return self._collect(touched)

    def update(self, key: str, change: Callable[[JobRow], JobRow | None]) -> Changes:
        """Puts what `change` makes of a row, which nobody else changes meanwhile; None is nothing.

        Raises:
            NotFoundError: There is no such row.
        """
        with self._lock:
            changed = change(self.row(key))
            return self.put([] if changed is None else [changed])

    def mark_saved(self, job_id: str) -> Changes:
        """The result of a job is kept on this machine."""
        with self._lock:
            known = self._rows.get(self._keys.get(job_id, ""))
            return self.put([replace(known, saved=True)] if known is not None else [])

    def mark_gone(self, names: set[str]) -> Changes:
        """The results of jobs, by the `safe_name` of their ids, are not kept any more."""
        with self._lock:
            kept = [row for row in self._rows.values() if row.saved]
            return self.put(
                replace(row, saved=False) for row in kept if safe_name(row.job_id) in names
            )

    def follow(self, told: JobRow) -> Changes:
        """Takes in a status and place in the queue that were told apart from all else."""
        with self._lock:
            touched: dict[str, JobRow | None] = {}
            if ended_empty(told) and self._give_back(told.job_id, touched):
                return self._collect(touched)
            known = self._rows.get(self._keys.get(told.job_id, ""))
            if known is None or known.status.final:
                return Changes()
            return self.put([followed(known, told)])

    def drop(self, job_ids: Iterable[str]) -> Changes:
        """Forgets jobs that the endpoint does not have any more."""
        touched: dict[str, JobRow | None] = {}
        with self._lock:
            for job_id in job_ids:
                self._managed.forget(job_id)
                if job_id in self._keys and not self._give_back(job_id, touched):
                    key = self._keys.pop(job_id)
                    touched[key] = row = self._rows.pop(key)
                    self._live.pop(key, None)
                    self._experiments.pop(key, None)
                    self._sets.get(row.set_id, set()).discard(key)
            return self._collect(touched)

    # -- managed jobs ---------------------------------------------------------------------------

    def managed_job(self, key: str) -> Any:
        """The provider's `ManagedJob` of a row, as `ManagedJobs.job_of` has it.

        Raises:
            NotFoundError: There is no such row.
            JobStateError: The job never got an id.
            IBMQError: The endpoint could not be asked.
        """
        return self._managed.job_of(self.row(key), self._experiments.get(key, 1))

    def adopt(self, managed_job_set: Any) -> None:
        """Keeps a `ManagedJobSet` that is being submitted here, until all its jobs have ended."""
        self._managed.adopt(managed_job_set)

    # -- absorbing ------------------------------------------------------------------------------

    def _absorb_one(self, reading: Reading, now: float, touched: dict[str, JobRow | None]) -> None:
        job_id = reading.row.job_id
        if ended_empty(reading.row):
            self._give_back(job_id, touched)
        key = self._keys.get(job_id)
        if key is None or key == job_id:
            key = self._claim(reading, touched)
        else:  # another process may have ended while the job went by its id
            self._forget_old_key(job_id, touched)
        known = self._rows.get(key)
        touched.setdefault(key, known)
        if reading.experiments:
            self._experiments[key] = reading.experiments
        row = replace(reading.row, key=key)
        if key != job_id:  # its place among the experiments follows from the rest of the set
            row = replace(row, start_index=None, end_index=None)
        self._put(merged(known, row, epoch(reading.updated), now))

    def _claim(self, reading: Reading, touched: dict[str, JobRow | None]) -> str:
        """The key of a job that has none, or goes by its id; a twin may have to give up its own."""
        row = reading.row
        if not row.set_id or row.index is None:
            return row.job_id
        if ended_empty(row) and self._managed.sends(row):
            return row.job_id
        place = f"{row.set_id}/{row.index}"
        holder = self._rows.get(place)
        if holder is None or holder.job_id in ("", row.job_id):
            self._forget_old_key(row.job_id, touched)
            return place
        if substance(holder) >= substance(row):
            return row.job_id
        self._vacate(holder, touched)
        self._forget_old_key(row.job_id, touched)
        return place

    def _vacate(self, holder: JobRow, touched: dict[str, JobRow | None]) -> None:
        """The twin that holds a place of a set goes by its job id from now on."""
        touched.setdefault(holder.key, holder)
        touched.setdefault(holder.job_id, None)
        del self._rows[holder.key]
        self._put(replace(holder, key=holder.job_id))

    def _give_back(self, job_id: str, touched: dict[str, JobRow | None]) -> bool:
        """Whether an empty job had the place of a part that is being sent here; it has not now."""
        holder = self._rows.get(self._keys.get(job_id, ""))
        if holder is None or not (has_place(holder) and self._managed.sends(holder)):
            return False
        touched.setdefault(holder.key, holder)
        del self._keys[job_id]
        self._put(replace(holder, job_id="", status=Status.INITIALIZING, confirmed=None))
        return True

    def _forget_old_key(self, job_id: str, touched: dict[str, JobRow | None]) -> JobRow | None:
        old = self._rows.pop(job_id, None)
        if old is not None:
            touched.setdefault(job_id, old)
            self._sets.get(old.set_id, set()).discard(job_id)
        return old

    def _put(self, row: JobRow) -> None:
        self._rows[row.key] = row
        if row.status.final:
            self._live.pop(row.key, None)
        else:
            self._live[row.key] = None
        if row.job_id:
            self._keys[row.job_id] = row.key
        if row.set_id:
            self._sets.setdefault(row.set_id, set()).add(row.key)
        if row.start_index is not None and row.end_index is not None:
            self._experiments[row.key] = row.end_index - row.start_index + 1

    def _place_experiments(self, touched: dict[str, JobRow | None]) -> None:
        """Counts the experiments of every touched set through, as far as all counts are known."""
        for set_id in {self._rows[key].set_id for key in touched if key in self._rows} - {""}:
            for row in counted_through(self._members(set_id), self._experiments):
                touched.setdefault(row.key, self._rows[row.key])
                self._rows[row.key] = row

    def _collect(self, touched: dict[str, JobRow | None]) -> Changes:
        changes = Changes()
        for key, before in touched.items():
            now = self._rows.get(key)
            if now is None:
                if before is not None:
                    changes.gone.append(key)
            elif before is None or not same(before, now):
                changes.rows.append(now)
                if now.status.final and before is not None and not before.status.final:
                    changes.finished.append(key)
            else:
                self._rows[key] = replace(before, confirmed=now.confirmed)
        self._release_ended({row.set_id for row in changes.rows if row.status.final})
        return changes

    def _release_ended(self, set_ids: set[str]) -> None:
        """Lets go of submitted sets, with their circuits, once there is nothing to wait for."""
        for set_id in set_ids & self._managed.adopted():
            if all(row.status.final for row in self._members(set_id) if has_place(row)):
                self._managed.release(set_id)

    def _members(self, set_id: str) -> list[JobRow]:
        rows = (self._rows.get(key) for key in self._sets[set_id])
        # A job may be of another set by now: whoever changes its tags gives it away.
        return [row for row in rows if row is not None and row.set_id == set_id]
