"""One string where many rows have equal ones: of 100,000 rows, most have the words of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import force_setattr

from qtower.model import JobRow

_MOST = 50_000  # words of a kind; those of older rows are let go of then


class Shared:
    """Words and numbers that rows have in common."""

    def __init__(self) -> None:
        self._words: dict[Any, Any] = {}
        self._tags: dict[tuple[str, ...], tuple[str, ...]] = {}

    def share(self, rows: Iterable[JobRow]) -> None:
        """Puts one object in the place of equal ones; to everybody else the rows are the same.

        Rows that will be replaced by others are left alone: they are few, and told often.
        """
        if len(self._words) > _MOST or len(self._tags) > _MOST:
            self._words, self._tags = {}, {}
        same = self._words.setdefault
        for row in rows:
            if not row.status.final:
                continue
            if row.job_id == row.key:
                force_setattr(row, "job_id", row.key)
            for name in ("set_id", "set_name", "backend", "label", "error", "shots", "end_index"):
                value = getattr(row, name)
                if value and (known := same(value, value)) is not value:
                    force_setattr(row, name, known)
            if row.tags:
                force_setattr(row, "tags", self._shared_tags(row.tags))

    def _shared_tags(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        known = self._tags.get(tags)
        if known is None:
            known = self._tags[tags] = tuple(str(self._words.setdefault(tag, tag)) for tag in tags)
        return known
