"""A filter's `where` as a condition on stored jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    and_,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)

from qtower.service import statuses
from qtower.service.columns import Words
from qtower.service.regexp_sql import found
from qtower.service.regexps import Regexp, RegexpError, compile_regexp
from qtower.service.schema import job_tags, jobs
from qtower.service.tag_sql import tagged, tagged_with_all

_MAX_DEPTH = 20
_MAX_TERMS = 2_000

Condition = ColumnElement[bool]

JOB_KIND = "q-object-external-storage"
RUN_MODE = "fairshare"

ORDERABLE = {
    "creationDate": jobs.c.created,
    "updatedDate": jobs.c.updated,
    "id": jobs.c.id,
    "name": jobs.c.name,
    "status": jobs.c.status,
    "backend.name": jobs.c.backend,
    "shots": jobs.c.shots,
}
DATES = {"creationDate": jobs.c.created, "updatedDate": jobs.c.updated}
_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    **ORDERABLE,
    "experimentTag": jobs.c.experiment_tag,
    "liveDataEnabled": jobs.c.live_data_enabled,
    "hubInfo.hub.name": jobs.c.hub,
    "hubInfo.group.name": jobs.c.group_name,
    "hubInfo.project.name": jobs.c.project,
    "kind": cast(JOB_KIND, Words),
    "runMode": cast(RUN_MODE, Words),
}

_NUMBERS = frozenset({"shots"})
_FLAGS = frozenset({"liveDataEnabled"})
_NO_TEXTS = _NUMBERS | _FLAGS

_COMPARISONS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


class FilterError(ValueError):
    """A filter that is not understood; says why in a sentence, without its full stop."""


def read_where(where: Any) -> Condition:
    """Returns the condition that `where` states.

    Raises:
        FilterError: It is not understood, too deep or too long.
    """
    return _Where().read(where)


class _Where:
    """One `where`, with a bound on its depth and on the number of its terms."""

    def __init__(self) -> None:
        self._terms = 0

    def read(self, where: Any, depth: int = 0) -> Condition:
        if not isinstance(where, dict):
            raise FilterError("A filter's where is an object")
        if depth > _MAX_DEPTH:
            raise FilterError("The filter is nested too deeply")
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
        if key == "or" and (names := _all_by_status(value)) is not None:
            # One IN instead of an OR of several, so that the index by status serves it.
            self._count(len(value))
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
        self._count(len(tags))
        if tags:
            yield tagged_with_all(tags)
        for branch in branches:
            if not tags or _only_tag(branch) is None:
                yield self.read(branch, depth + 1)

    def _field(self, field: str, condition: Any) -> Condition:
        if not isinstance(condition, dict):
            self._count(1)
            return _equal(field, condition)
        if not condition:
            raise FilterError(f'The condition on "{field}" is empty')
        return and_(*(self._operator(field, *item) for item in condition.items()))

    def _operator(self, field: str, operator: str, value: Any) -> Condition:
        self._count(len(value) if isinstance(value, list) else 1)
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

    def _count(self, terms: int) -> None:
        self._terms += terms
        if self._terms > _MAX_TERMS:
            raise FilterError(f"The filter has more than {_MAX_TERMS} terms")


def is_selective(where: Any) -> bool:
    """Whether few jobs pass, so that it is cheaper to find and sort them than to walk by date.

    SQLite cannot know: it takes an index that saves a sort, and would walk through all that ever
    completed to find the three that run. `where` has been read without an error.
    """
    if is_by_key(where, "id") or is_by_key(where, "tags"):
        return True
    if not isinstance(where, dict):
        return False
    names = _all_by_status(where["or"]) if "or" in where else None
    if names is None and "status" in where:
        names = _status_names(where["status"])
    return names is not None and statuses.COMPLETED not in names


def is_by_key(where: Any, field: str) -> bool:
    """Whether every job that passes has one of a few given values of `field`."""
    if not isinstance(where, dict):
        return False
    wanted = where.get(field)
    if isinstance(wanted, str) or (isinstance(wanted, dict) and "inq" in wanted):
        return True
    return any(is_by_key(branch, field) for branch in where.get("and", ()))


def _status_names(condition: Any) -> set[str] | None:
    """Returns the statuses that a condition on `status` lets through; None if not that simple."""
    known = (*statuses.UNFINISHED, *statuses.FINAL)
    if isinstance(condition, str):
        return {condition} & set(known)
    if not isinstance(condition, dict) or len(condition) != 1:
        return None
    ((operator, value),) = condition.items()
    if operator == "inq" and isinstance(value, list):
        return {name for name in known if name in value}
    if operator == "nin" and isinstance(value, list):
        return {name for name in known if name not in value}
    if operator == "neq":
        return {name for name in known if name != value}
    if operator == "regexp":
        pattern = _pattern("status", value)
        return {name for name in known if pattern.search(name)}
    return None


def _all_by_status(branches: list[Any]) -> set[str] | None:
    names: set[str] = set()
    for branch in branches:
        if not isinstance(branch, dict) or list(branch) != ["status"]:
            return None
        allowed = _status_names(branch["status"])
        if allowed is None:
            return None
        names |= allowed
    return names


def _equal(field: str, value: Any) -> Condition:
    if field == "tags":
        if isinstance(value, list):
            return jobs.c.tags == msgspec.json.encode(value).decode()
        given = _value(field, value)
        return false() if given is None else tagged(job_tags.c.tag == given)
    column = _COLUMNS.get(field)
    if value is None:
        return true() if column is None else column.is_(None)
    given = _value(field, value)
    return false() if column is None or given is None else column == given


def _any_of(field: str, values: list[Any]) -> Condition:
    if field == "tags":
        return tagged(job_tags.c.tag.in_(_values(field, values)))
    column = _COLUMNS.get(field)
    given = _values(field, [value for value in values if value is not None])
    if column is None:
        return true() if None in values else false()
    among = column.in_(given)
    return or_(among, column.is_(None)) if None in values else among


def _negated(condition: Condition) -> Condition:
    # SQL's "unknown" for a missing value is a no, so its opposite is a yes.
    return not_(func.coalesce(condition, false()))


def _compare(field: str, operator: str, value: Any) -> Condition:
    column = job_tags.c.tag if field == "tags" else _COLUMNS.get(field)
    given = _value(field, value)
    if column is None or given is None:
        return false()
    condition = _COMPARISONS[operator](column, given)
    return tagged(condition) if field == "tags" else condition


def _matches(field: str, value: Any) -> Condition:
    if field == "status":
        return jobs.c.status.in_(sorted(_status_names({"regexp": value}) or ()))
    _pattern(field, value)
    if field == "tags":
        return tagged(found(value, job_tags.c.tag))
    if field in DATES:
        raise FilterError(f'"{field}" is a date: "regexp" does not apply')
    column = _COLUMNS.get(field)
    return false() if column is None or field in _NO_TEXTS else found(value, column)


def _pattern(field: str, value: Any) -> Regexp:
    if not isinstance(value, str):
        raise FilterError(f'"regexp" on "{field}" takes a string')
    try:
        return compile_regexp(value)
    except RegexpError as error:
        raise FilterError(f'The regular expression on "{field}": {error}') from None


def _only_tag(where: Any) -> str | None:
    """The tag, if `where` asks for one and for nothing else."""
    if not isinstance(where, dict) or list(where) != ["tags"]:
        return None
    return where["tags"] if isinstance(where["tags"], str) else None


def _values(field: str, values: list[Any]) -> list[ColumnElement[Any]]:
    given = [_value(field, value) for value in values]
    return [value for value in given if value is not None]


def _value(field: str, value: Any) -> ColumnElement[Any] | None:
    """A value as SQL; None if it is of a kind that the field never has: it then equals nothing.

    The kind is said, because databases disagree on what a text and a number are to each other.
    """
    if field in DATES:
        return literal(read_date(field, value), BigInteger())
    if isinstance(value, bool):
        return literal(value, Boolean()) if field in _FLAGS else None
    if isinstance(value, str):
        return literal(value, Words()) if field not in _NO_TEXTS else None
    if isinstance(value, float):
        return literal(value, Double()) if field in _NUMBERS else None
    if isinstance(value, int) and abs(value) < 2**63:
        return literal(value, BigInteger()) if field in _NUMBERS else None
    raise FilterError(f'A value for "{field}" is neither a text nor a number nor a boolean')


def read_date(field: str, value: Any) -> int:
    """Returns a date of a filter as microseconds since 1970 UTC.

    Raises:
        FilterError: It is no ISO 8601 date.
    """
    try:
        return statuses.from_date(value)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise FilterError(f'A value for "{field}" is not an ISO 8601 date') from None
