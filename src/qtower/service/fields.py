"""The fields of a job that a filter may name: their columns, and values of theirs as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Double, cast, literal

from qtower.service import statuses
from qtower.service.columns import Words
from qtower.service.regexps import Regexp, RegexpError, compile_regexp
from qtower.service.schema import jobs

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
COLUMNS: Mapping[str, ColumnElement[Any]] = {
    **ORDERABLE,
    "experimentTag": jobs.c.experiment_tag,
    "liveDataEnabled": jobs.c.live_data_enabled,
    "hubInfo.hub.name": jobs.c.hub,
    "hubInfo.group.name": jobs.c.group_name,
    "hubInfo.project.name": jobs.c.project,
    "kind": cast(JOB_KIND, Words),
    "runMode": cast(RUN_MODE, Words),
}

DATES = frozenset({"creationDate", "updatedDate"})
_NUMBERS = frozenset({"shots"})
_FLAGS = frozenset({"liveDataEnabled"})
NO_TEXTS = _NUMBERS | _FLAGS


class FilterError(ValueError):
    """A filter that is not understood; says why in a sentence, without its full stop."""


def read_values(field: str, values: list[Any]) -> list[ColumnElement[Any]]:
    """Returns as SQL those values that the field can have.

    Raises:
        FilterError: One is of no kind that any field has.
    """
    given = [read_value(field, value) for value in values]
    return [value for value in given if value is not None]


def read_value(field: str, value: Any) -> ColumnElement[Any] | None:
    """Returns a value as SQL; None if it is of a kind that the field never has.

    The kind is said, because databases disagree on what a text and a number are to each other.

    Raises:
        FilterError: It is of no kind that any field has.
    """
    if field in DATES:
        return literal(read_date(field, value), BigInteger())
    if isinstance(value, bool):
        return literal(value, Boolean()) if field in _FLAGS else None
    if isinstance(value, str):
        return literal(value, Words()) if field not in NO_TEXTS else None
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


def read_pattern(field: str, value: Any) -> Regexp:
    """Returns a regular expression on a field, compiled.

    Raises:
        FilterError: It is none, or one that is not understood.
    """
    if not isinstance(value, str):
        raise FilterError(f'"regexp" on "{field}" takes a string')
    try:
        return compile_regexp(value)
    except RegexpError as error:
        raise FilterError(f'The regular expression on "{field}": {error}') from None
