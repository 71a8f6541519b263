"""Which database there is to be, by the settings, and how it is opened: SQLite or PostgreSQL."""

from __future__ import annotations

import stat
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from qtower.errors import StorageError
from qtower.service.database import Database
from qtower.service.settings import DatabaseSettings
from qtower.service.sqlite import SqliteDatabase


def open_database(place: Path | str) -> Database:
    """Opens a SQLite file, or the database at a `postgresql+psycopg://` URL, with its tables.

    Raises:
        StorageError: It cannot be used; is of a newer qtower; or another service is using it.
    """
    if isinstance(place, Path):
        return SqliteDatabase(place)
    url = read_url(place)
    from qtower.service.postgres import PostgresDatabase  # needs an extra

    return PostgresDatabase(url)


def place_of(settings: DatabaseSettings, file: Path) -> Path | str:
    """Returns where the store is: at a URL, if there is one in the settings, or in `file`.

    Raises:
        StorageError: The URL holds a password, or its file cannot be used.
    """
    if settings.url is not None:
        if _holds_password(read_url(settings.url)):
            raise StorageError(
                "The address of the database holds a password, which others may read there.",
                "Leave it out, and use PGPASSWORD, a pgpass file, or database.url-file.",
            )
        return settings.url
    if settings.url_file is None:
        return file
    return _private_text(Path(settings.url_file).expanduser())


def read_url(text: str) -> URL:
    """Reads the URL of a database.

    Raises:
        StorageError: It is none of PostgreSQL. The message does not repeat it: it may hold a
            password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _bad_url() from None
    if url.drivername not in ("postgresql", "postgresql+psycopg") or not url.database:
        raise _bad_url()
    return url.set(drivername="postgresql+psycopg")


def _private_text(file: Path) -> str:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise StorageError(f"Others can read {file}.", f"Run: chmod 600 {file}")
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StorageError(f"{file} cannot be read: {reason}.", "Put the address there.") from None


def _holds_password(url: URL) -> bool:
    return url.password is not None or any("password" in name for name in url.query)


def _bad_url() -> StorageError:
    return StorageError(
        "The address of the database is not understood.",
        "Write postgresql+psycopg://USER@HOST:PORT/DATABASE.",
    )
