"""What a set covers: its experiments, which have a result, and its holes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qtower.desk.intents import Intents, Part, PartState
from qtower.desk.registry import Registry
from qtower.errors import JobStateError, NotFoundError
from qtower.model import Coverage, Hole, JobRow, Status

KEPT, ON_SERVER = "kept here", "on the server"

Span = tuple[int, int]
"""First and last experiment of a job."""


def coverage(
    set_id: str, name: str, rows: Iterable[JobRow], parts: Sequence[Part], kept: set[int]
) -> Coverage:
    """Describes a set from its rows, and from its parts if it was submitted here.

    `kept` are the indexes whose qobj is kept here. A job whose place is taken by another goes by
    its id, and is not looked at.
    """
    jobs = {row.index: row for row in rows if row.index is not None and row.key.count("/")}
    known = {part.intent.index: part for part in parts}
    count = max([*jobs, *known], default=-1) + 1
    spans = {index: _span(jobs.get(index), known.get(index)) for index in range(count)}
    holes = [
        hole
        for index in range(count)
        if (hole := _hole(index, jobs.get(index), known.get(index), spans[index], index in kept))
    ]
    done = [index for index, row in jobs.items() if row.status is Status.DONE]
    placed = all(span is not None for span in spans.values())
    last = [span[1] for span in spans.values() if span is not None]
    return Coverage(
        set_id=set_id,
        name=name,
        jobs=count,
        experiments=max(last) + 1 if placed and last else None,
        line=_line(count, holes, spans, placed=placed),
        with_result=_ranges(done, spans, placed=placed),
        holes=holes,
    )


def coverage_of(set_id: str, registry: Registry, intents: Intents) -> Coverage:
    """Describes a set as it is known here.

    Raises:
        NotFoundError: Nothing is known of it.
    """
    sending, parts = intents.sending(set_id), intents.parts(set_id)
    rows = [row for row in registry.rows() if row.set_id == set_id]
    if not rows and not parts:
        raise NotFoundError("There is no such set any more.")
    name = sending.intent.set_name if sending else rows[0].set_name
    indexes = [part.intent.index for part in parts]
    kept = {index for index in indexes if intents.qobjs.has(set_id, index)}
    return coverage(set_id, name, rows, parts, kept)


def fillable(found: Coverage) -> tuple[list[str], list[str]]:
    """The keys of the holes whose qobj is kept here, and of those that have it on the server.

    Raises:
        JobStateError: There is neither.
    """
    keys = {hole.index: f"{found.set_id}/{hole.index}" for hole in found.holes}
    kept = [keys[hole.index] for hole in found.holes if hole.source == KEPT]
    failed = [keys[hole.index] for hole in found.holes if hole.source == ON_SERVER]
    if not kept and not failed:
        raise JobStateError("No job of this set can be sent again.", "Submit its files anew.")
    return kept, failed


def _span(row: JobRow | None, part: Part | None) -> Span | None:
    if part is not None:
        start = part.intent.start_index
        return start, start + part.intent.experiments - 1
    if row is not None and row.start_index is not None and row.end_index is not None:
        return row.start_index, row.end_index
    return None


def _hole(
    index: int, row: JobRow | None, part: Part | None, span: Span | None, kept: bool
) -> Hole | None:
    why = _why(row, part)
    if not why:
        return None
    on_server = row is not None and bool(row.job_id)
    source = KEPT if kept else ON_SERVER if on_server else ""
    first, last = span or (None, None)
    return Hole(index=index, first=first, last=last, why=why, source=source)


def _why(row: JobRow | None, part: Part | None) -> str:
    """Why a place of the set has no result and gets none; "" if it has one, or may get it."""
    if row is not None and row.job_id:
        return row.status.value if row.status in (Status.ERROR, Status.CANCELLED) else ""
    if part is None:
        return "not there" if row is None else "not sent"
    return {
        PartState.SENT: "deleted",
        PartState.FAILED: "refused",
        PartState.LEFT: "given up",
    }.get(part.state, "not sent")


def _line(
    count: int, holes: Sequence[Hole], spans: Mapping[int, Span | None], *, placed: bool
) -> str:
    """ "experiments 0-899, missing 75-149", or in jobs where experiments are not known."""
    if not count:
        return "no jobs"
    what = "experiments" if placed else "jobs"
    whole = _ranges(range(count), spans, placed=placed)
    missing = _ranges([hole.index for hole in holes], spans, placed=placed)
    return f"{what} {whole}, missing {missing}" if missing else f"{what} {whole}, all there"


def _ranges(indexes: Iterable[int], spans: Mapping[int, Span | None], *, placed: bool) -> str:
    """ "0-74, 150-899": of experiments, or of jobs."""
    merged: list[list[int]] = []
    for index in sorted(indexes):
        span = spans[index] if placed else None
        first, last = span if span is not None else (index, index)
        if merged and merged[-1][1] == first - 1:
            merged[-1][1] = last
        else:
            merged.append([first, last])
    return ", ".join(f"{first}-{last}" if first != last else f"{first}" for first, last in merged)
