"""What is known of a job, and what is said of it anew, made one."""

from __future__ import annotations

from msgspec.structs import replace

from qtower.desk.rows import STATUSES
from qtower.model import JobRow, Status

_ESTIMATE_SECONDS = 5.0
_NOT_CREATED = "ERROR_CREATING_JOB"


def merged(known: JobRow | None, new: JobRow, updated: float | None, now: float) -> JobRow:
    """`new`, with what only `known` knows: list documents say less than full ones.

    Their time of change stands for the time of the status, where nothing better is known.
    """
    if known is None:
        return replace(new, since=new.since or updated)
    if _has_ended(known, new):
        return replace(known, confirmed=new.confirmed)
    same = known.status is new.status
    return replace(
        new,
        since=new.since or (known.since if same else updated or now),
        label=known.label or new.label,  # one that was given at submission says more
        shots=new.shots if new.shots is not None else known.shots,
        start_index=known.start_index if new.start_index is None else new.start_index,
        end_index=known.end_index if new.end_index is None else new.end_index,
        run_seconds=new.run_seconds if new.run_seconds is not None else known.run_seconds,
        error=known.error if same and new.error in STATUSES and known.error else new.error,
        estimated_start=_steady(known.estimated_start, new.estimated_start),
        saved=known.saved,
    )


def followed(known: JobRow, told: JobRow) -> JobRow:
    """`known` with the status and the place in the queue that were `told` apart from all else."""
    unchanged = known.status is told.status
    return replace(
        known,
        status=told.status,
        queue_position=told.queue_position,
        estimated_start=told.estimated_start,
        since=known.since if unchanged else told.confirmed,
        error=known.error if unchanged else told.error,
        confirmed=told.confirmed,
    )


def _has_ended(known: JobRow, new: JobRow) -> bool:
    """Whether the page was asked for before the end was told by another way: no end is undone."""
    return (
        known.status.final
        and known.status is not Status.SUBMIT_FAILED
        and known.job_id == new.job_id
        and not new.status.final
    )


def _steady(known: float | None, new: float | None) -> float | None:
    """An estimate that moves a little with every reading is no news."""
    if known is not None and new is not None and abs(new - known) < _ESTIMATE_SECONDS:
        return known
    return new


def newer_of(one: JobRow, other: JobRow) -> JobRow:
    """What two qtowers know of one job, made one: the newer, with what only the other knows."""
    if one.job_id != other.job_id:
        # A row without an id is only what was said before the endpoint had it.
        return max(one, other, key=_weight)
    older, newer = sorted((one, other), key=_moment)
    row = merged(older, newer, None, newer.confirmed or 0.0)
    return replace(row, saved=one.saved or other.saved)


def _weight(row: JobRow) -> tuple[float, ...]:
    return bool(row.job_id), substance(row), *_moment(row)


def _moment(row: JobRow) -> tuple[float, float]:
    return row.confirmed or 0.0, row.since or 0.0


def is_behind(row: JobRow, known: JobRow) -> bool:
    """Whether `known` is further than a row of a submission that was just acknowledged."""
    if not known.job_id:
        return False  # only we spoke of it until now
    return row.status is Status.INITIALIZING and known.status is not Status.INITIALIZING


def same(before: JobRow, now: JobRow) -> bool:
    """Whether nothing changed but the time of confirmation, which was there before."""
    if before.confirmed is None:
        return False
    return before == replace(now, confirmed=before.confirmed)


def substance(row: JobRow) -> int:
    """How much there is to a twin: one that was never uploaded hangs, or ends without a qobj."""
    if row.status in (Status.INITIALIZING, Status.UNKNOWN, Status.SUBMIT_FAILED):
        return 0
    return 1 if ended_empty(row) else 2


def ended_empty(row: JobRow) -> bool:
    """Whether a job ended as one does whose qobj never came."""
    return row.status is Status.CANCELLED or row.error == _NOT_CREATED
