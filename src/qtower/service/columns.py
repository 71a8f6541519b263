"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

_NUL, _REPLACEMENT = "\0", "\ufffd"


class Words(TypeDecorator[str]):
    """Text, compared and ordered by code points, whatever language a database server speaks.

    U+0000, which PostgreSQL cannot keep, becomes the replacement character.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        collation = "C" if dialect.name == "postgresql" else None
        return Text(collation=collation)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace(_NUL, _REPLACEMENT) if isinstance(value, str) else value


def key(length: int) -> TypeEngine[str]:
    """Returns the type of a key of so many hex digits, ordered alike everywhere."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")
