"""On which line of a TOML file a field stands: the reader of TOML does not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tomli

Field = tuple["str | int", ...]


def line_of(text: str, field: Field) -> int | None:
    """Returns the line, from 1, of a field, or of the innermost table around it that has one.

    Args:
        text: Valid TOML.
        field: Keys from the outermost in, and numbers from 0 for entries of `[[tables]]`.

    Returns:
        None if not even the outermost key stands at the start of a line.
    """
    best: tuple[int, int] | None = None
    for number, found in _headings(text):
        common = _common(found, field)
        if common and (best is None or common > best[0]):
            best = (common, number)
    return best[1] if best else None


def _headings(text: str) -> Iterator[tuple[int, Field]]:
    """Every line that begins a table or gives a key a value, and the field that it names."""
    table: Field = ()
    entries: dict[Field, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("[") and (keys := _keys(stripped)):
            table = keys
            if stripped.startswith("[["):
                entries[keys] = entries.get(keys, -1) + 1
                table = (*keys, entries[keys])
            yield number, table
        elif "=" in stripped and (keys := _keys(stripped.partition("=")[0] + "= 0")):
            yield number, (*table, *keys)


def _keys(line: str) -> Field:
    """The keys of one line by itself; none if it is a piece of a longer value."""
    try:
        found: Any = tomli.loads(line)
    except tomli.TOMLDecodeError:
        return ()
    keys: list[str] = []
    while isinstance(found, (dict, list)) and found:
        if isinstance(found, list):
            found = found[0]
        else:
            key, found = next(iter(found.items()))
            keys.append(key)
    return tuple(keys)


def _common(found: Sequence[str | int], field: Sequence[str | int]) -> int:
    """How many keys of the field the line names; 0 if it names another field."""
    shared = min(len(found), len(field))
    # A table may stand in the names of others only: `[a.b.c]` is also where `a.b` begins.
    return shared if list(found[:shared]) == list(field[:shared]) else 0
