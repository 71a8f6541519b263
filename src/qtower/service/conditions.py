"""A filter's `where` as a condition on stored jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

from qtower.service.fields import (
    COLUMNS,
    DATES,
    NO_TEXTS,
    FilterError,
    read_pattern,
    read_value,
    read_values,
)
from qtower.service.narrowing import statuses_alone, statuses_matching
from qtower.service.regexp_sql import found
from qtower.service.schema import job_tags, jobs
from qtower.service.tag_sql import tagged, tagged_with_all

_MAX_DEPTH = 20
_MAX_CONDITIONS = 400  # SQLite takes expressions no deeper than 1,000, and each may nest by two
_MAX_VALUES = 2_000

Condition = ColumnElement[bool]

_COMPARISONS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


def read_where(where: Any) -> Condition:
    """Returns the condition that `where` states.

    Raises:
        FilterError: It is not understood, too deep or too long.
    """
    return _Where().read(where)


class _Where:
    """One `where`, with a bound on its depth and on how many conditions and values it has."""

    def __init__(self) -> None:
        self._conditions = 0
        self._values = 0

    def read(self, where: Any, depth: int = 0) -> Condition:
        if not isinstance(where, dict):
            raise FilterError("A filter's where is an object")
        if depth > _MAX_DEPTH:
            raise FilterError("The filter is nested too deeply")
        self._count(conditions=1)
        conditions = [self._entry(key, value, depth) for key, value in where.items()]
        return and_(*conditions) if conditions else true()

    def _entry(self, key: str, value: Any, depth: int) -> Condition:
        if key in _COMPARISONS or key == "between":
            # The client, when it pages, leaves out whose bound it is: that of the creation.
            return self._operator("creationDate", key, value)
        if key not in ("and", "or"):
            return self._field(key, value)
        if not isinstance(value, list):
            raise FilterError(f'"{key}" takes a list')
        if key == "or" and (names := statuses_alone(value)) is not None:
            # One IN instead of an OR of several, so that the index by status serves it.
            self._count(values=len(value))
            return jobs.c.status.in_(sorted(names))
        if not value:
            return true()
        if key == "or":
            return or_(*(self.read(branch, depth + 1) for branch in value))
        return and_(*self._all(value, depth))

    def _all(self, branches: list[Any], depth: int) -> Iterator[Condition]:
        """The branches of an `and`; several tags are found by the rarest of them."""
        tags = [tag for tag in map(_only_tag, branches) if tag is not None]
        if len(tags) < 2:
            tags = []
        self._count(conditions=len(tags))
        if tags:
            yield tagged_with_all(tags)
        for branch in branches:
            if not tags or _only_tag(branch) is None:
                yield self.read(branch, depth + 1)

    def _field(self, field: str, condition: Any) -> Condition:
        if not isinstance(condition, dict):
            self._count(conditions=1)
            return _equal(field, condition)
        if not condition:
            raise FilterError(f'The condition on "{field}" is empty')
        return and_(*(self._operator(field, *item) for item in condition.items()))

    def _operator(self, field: str, operator: str, value: Any) -> Condition:
        self._count(conditions=1, values=len(value) if isinstance(value, list) else 1)
        if operator == "neq":
            return _negated(_equal(field, value))
        if operator in ("inq", "nin"):
            if not isinstance(value, list):
                raise FilterError(f'"{operator}" takes a list')
            matching = _any_of(field, value)
            return matching if operator == "inq" else _negated(matching)
        if operator == "between":
            if not isinstance(value, list) or len(value) != 2:
                raise FilterError('"between" takes a list of two')
            low, high = value
            return and_(_compare(field, "gte", low), _compare(field, "lte", high))
        if operator == "regexp":
            return _matches(field, value)
        if operator in _COMPARISONS:
            return _compare(field, operator, value)
        raise FilterError(f'The operator "{operator}" is not known')

    def _count(self, conditions: int = 0, values: int = 0) -> None:
        self._conditions += conditions
        self._values += values
        if self._conditions > _MAX_CONDITIONS:
            raise FilterError(f"The filter has more than {_MAX_CONDITIONS} conditions")
        if self._values > _MAX_VALUES:
            raise FilterError(f"The filter has more than {_MAX_VALUES:,} values")


def _equal(field: str, value: Any) -> Condition:
    if field == "tags":
        if isinstance(value, list):
            return jobs.c.tags == msgspec.json.encode(value).decode()
        given = read_value(field, value)
        return false() if given is None else tagged(job_tags.c.tag == given)
    column = COLUMNS.get(field)
    if value is None:
        return true() if column is None else column.is_(None)
    given = read_value(field, value)
    return false() if column is None or given is None else column == given


def _any_of(field: str, values: list[Any]) -> Condition:
    if field == "tags":
        return tagged(job_tags.c.tag.in_(read_values(field, values)))
    column = COLUMNS.get(field)
    given = read_values(field, [value for value in values if value is not None])
    if column is None:
        return true() if None in values else false()
    among = column.in_(given)
    return or_(among, column.is_(None)) if None in values else among


def _negated(condition: Condition) -> Condition:
    # SQL's "unknown" for a missing value is a no, so its opposite is a yes.
    return not_(func.coalesce(condition, false()))


def _compare(field: str, operator: str, value: Any) -> Condition:
    column = job_tags.c.tag if field == "tags" else COLUMNS.get(field)
    given = read_value(field, value)
    if column is None or given is None:
        return false()
    condition = _COMPARISONS[operator](column, given)
    return tagged(condition) if field == "tags" else condition


def _matches(field: str, value: Any) -> Condition:
    if field == "status":
        return jobs.c.status.in_(sorted(statuses_matching(value)))
    read_pattern(field, value)
    if field == "tags":
        return tagged(found(value, job_tags.c.tag))
    if field in DATES:
        raise FilterError(f'"{field}" is a date: "regexp" does not apply')
    column = COLUMNS.get(field)
    return false() if column is None or field in NO_TEXTS else found(value, column)


def _only_tag(where: Any) -> str | None:
    """The tag, if `where` asks for one and for nothing else."""
    if not isinstance(where, dict) or list(where) != ["tags"]:
        return None
    return where["tags"] if isinstance(where["tags"], str) else None
