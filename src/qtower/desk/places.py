"""Places of job sets: which job has one, and which experiments of the set are its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from qtower.model import JobRow


def has_place(row: JobRow) -> bool:
    """Whether a job has its place in a set; a twin of it goes by its job id."""
    return row.index is not None and row.key == f"{row.set_id}/{row.index}"


def counted_through(rows: Iterable[JobRow], experiments: Mapping[str, int]) -> Iterator[JobRow]:
    """Yields the rows of a set whose experiments are others than was known, with the new ones.

    They are counted through from the first job, as far as all counts are known: `experiments`, by
    key.
    """
    placed = sorted((row.index or 0, row) for row in rows if has_place(row))
    start: int | None = 0
    for expected, (index, row) in enumerate(placed):
        count = experiments.get(row.key)
        start = start if index == expected else None
        end = start + count - 1 if start is not None and count else None
        at = start if end is not None else None
        if at is not None and (row.start_index, row.end_index) != (at, end):
            yield replace(row, start_index=at, end_index=end)
        start = end + 1 if end is not None else None
