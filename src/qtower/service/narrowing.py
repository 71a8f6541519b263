"""What a `where` says of the jobs that pass before the database is asked, so that an index leads
to them.

Databases know little of how many jobs of an owner have which status: SQLite takes an index that
saves a sort, and would walk through all that ever completed to find the three that run.
"""

from __future__ import annotations

from typing import Any

from qtower.service import statuses
from qtower.service.fields import read_pattern
from qtower.service.schema import FAMILIES

_KNOWN = frozenset((*statuses.UNFINISHED, *statuses.FINAL))


def is_by_key(where: Any, field: str) -> bool:
    """Whether every job that passes has one of a few given values of `field`."""
    if not isinstance(where, dict):
        return False
    wanted = where.get(field)
    if isinstance(wanted, str) or (isinstance(wanted, dict) and "inq" in wanted):
        return True
    return any(is_by_key(branch, field) for branch in where.get("and", ()))


def statuses_within(where: Any) -> frozenset[str]:
    """Returns statuses of which every job that passes has one; all, if `where` does not say.

    `where` has been read without an error.
    """
    within = _KNOWN
    for key, value in where.items() if isinstance(where, dict) else ():
        if key == "status" and (named := _named(value)) is not None:
            within &= named
        elif key == "and":
            within = within.intersection(*map(statuses_within, value))
        elif key == "or" and value:
            within &= frozenset[str]().union(*map(statuses_within, value))
    return within


def statuses_alone(branches: list[Any]) -> frozenset[str] | None:
    """Returns the statuses that the branches of an `or` let through; None if they ask for more.

    Raises:
        FilterError: A regular expression is none.
    """
    names: set[str] = set()
    for branch in branches:
        if not isinstance(branch, dict) or list(branch) != ["status"]:
            return None
        named = _named(branch["status"])
        if named is None:
            return None
        names |= named
    return frozenset(names) if branches else None


def statuses_matching(pattern: Any) -> frozenset[str]:
    """Returns the statuses that match a regular expression.

    Raises:
        FilterError: It is none.
    """
    compiled = read_pattern("status", pattern)
    return frozenset(name for name in _KNOWN if compiled.search(name))


def family_of(names: frozenset[str]) -> str | None:
    """Returns the family of statuses, with an index of its own, that has all of several ones."""
    if len(names) < 2:
        return None  # one status has its place in the index by status
    return next((family for family, members in FAMILIES.items() if names <= set(members)), None)


def _named(condition: Any) -> frozenset[str] | None:
    """The statuses that a condition on `status` lets through; None if it is not that simple."""
    if isinstance(condition, str):
        return _KNOWN & {condition}
    if not isinstance(condition, dict) or len(condition) != 1:
        return None
    ((operator, value),) = condition.items()
    if operator == "inq" and isinstance(value, list):
        return frozenset(name for name in _KNOWN if name in value)
    if operator == "nin" and isinstance(value, list):
        return frozenset(name for name in _KNOWN if name not in value)
    if operator == "neq":
        return frozenset(name for name in _KNOWN if name != value)
    if operator == "regexp":
        return statuses_matching(value)
    return None
