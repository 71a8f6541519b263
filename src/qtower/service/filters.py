"""A Loopback `filter` as a query: `{"where", "order", "limit", "skip", "fields"}`.

Understood in `where`: equality (a list of tags by membership), `neq`, `inq`, `nin`, `gt`, `gte`,
`lt`, `lte`, `between`, `regexp`, `and`, `or`, and dotted names. As in the database behind IBM's
service, a field that no job has is simply missing: nothing is equal to it, everything differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, literal_column

from qtower.service import statuses
from qtower.service.conditions import Condition, read_where
from qtower.service.fields import DATES, ORDERABLE, FilterError, read_date
from qtower.service.narrowing import family_of, is_by_key, statuses_within
from qtower.service.schema import family, jobs

PAGE_LIMIT = 50  # jobs in one answer, as IBM's service had it,
MOST_A_PAGE = 500  # and as many as a client may ask for

_MAX_SKIP = 2**31
_SHOWN = 100  # characters of what is not understood

_NULLABLE = frozenset({"name", "shots"})  # nothing is less than anything, in every database


@dataclass(frozen=True)
class Listing:
    """Which jobs, in which order, and which part of them."""

    where: Condition | None
    order: tuple[ColumnElement[Any], ...]
    limit: int
    skip: int
    fields: frozenset[str] | None  # only these fields of each job; None for all
    by_tag: bool  # the jobs of a few tags: to be found by their tags, not by their owner


def parse_listing(text: str | None) -> Listing:
    """Reads the `filter` of a request; without one, the newest page.

    Raises:
        FilterError: It is not a Loopback filter, or too large.
    """
    given = _decode(text) if text else {}
    where = given.get("where")
    condition = None if where is None else read_where(where)
    within = statuses_within(where)
    common = family_of(within)
    if condition is not None and common is not None:
        # Said as the index has it, letter by letter.
        condition = and_(family == literal_column(f"'{common}'"), condition)
    return Listing(
        where=condition,
        order=_read_order(given.get("order"), _dates_to_walk_by(where, within, common)),
        limit=min(_read_count(given, "limit") or PAGE_LIMIT, MOST_A_PAGE),
        skip=_read_count(given, "skip"),
        fields=_read_fields(given.get("fields")),
        by_tag=is_by_key(where, "tags"),
    )


def read_earlier_than(text: str | None, field: str) -> int | None:
    """Reads `{"where": {FIELD: {"lt": DATE}}}`, the filter of a backend's properties.

    Returns:
        Microseconds since 1970 UTC; None if the filter does not say.

    Raises:
        FilterError: It is not such a filter.
    """
    where = (_decode(text) if text else {}).get("where") or {}
    condition = where.get(field) if isinstance(where, dict) else None
    if not isinstance(condition, dict) or "lt" not in condition:
        return None
    return read_date(field, condition["lt"])


def _dates_to_walk_by(where: Any, within: frozenset[str], common: str | None) -> frozenset[str]:
    """The dates by whose index jobs may be found when they are wanted in that order.

    Of few jobs among many it is cheaper to find them otherwise, and to sort them.
    """
    if is_by_key(where, "id") or is_by_key(where, "tags"):
        return frozenset()
    if statuses.COMPLETED in within:
        return DATES
    # The indexes by status and of a family of statuses have the creation date behind it.
    return frozenset({"creationDate"}) if common or len(within) < 2 else frozenset()


def _read_order(order: Any, walk_by: frozenset[str]) -> tuple[ColumnElement[Any], ...]:
    if not order:
        order = "creationDate DESC"
    texts = order.split(",") if isinstance(order, str) else order
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise FilterError("A filter's order is a text like 'creationDate DESC'")
    if len(texts) > len(ORDERABLE):
        raise FilterError(f"Jobs are ordered by at most {len(ORDERABLE)} fields")
    columns = [_read_order_part(text, walk_by) for text in texts]
    if any(text.split()[:1] == ["creationDate"] for text in texts):
        return tuple(columns)  # said twice, SQLite would take the index by date for the only way
    # The creation date is unique: with it at the end, pages are stable under any order.
    return (*columns, jobs.c.created.desc())


def _read_order_part(text: str, walk_by: frozenset[str]) -> ColumnElement[Any]:
    field, _, direction = text.strip().partition(" ")
    column = ORDERABLE.get(field)
    if column is None or direction.strip().upper() not in ("", "ASC", "DESC"):
        raise FilterError(f"Jobs cannot be ordered by {text.strip()[:_SHOWN]!r}")
    key = column + 0 if field in DATES - walk_by else column  # no index has a sum
    if direction.strip().upper() == "DESC":
        return key.desc().nulls_last() if field in _NULLABLE else key.desc()
    return key.asc().nulls_first() if field in _NULLABLE else key.asc()


def _read_count(given: dict[str, Any], name: str) -> int:
    value = given.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SKIP:
        raise FilterError(f"A filter's {name} is a whole number, not negative")
    return value


def _read_fields(fields: Any) -> frozenset[str] | None:
    if not fields:
        return None
    if isinstance(fields, dict):
        return frozenset(name for name, wanted in fields.items() if wanted)
    if isinstance(fields, list) and all(isinstance(name, str) for name in fields):
        return frozenset(fields)
    raise FilterError("A filter's fields are an object or a list of names")


def _decode(text: str) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise FilterError("The filter is not JSON") from None
    if not isinstance(given, dict):
        raise FilterError("The filter is not a JSON object")
    return given
