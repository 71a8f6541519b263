"""API tokens of users: made here, shown once, and kept as SHA-256 only.

A token is 256 random bits, so that its plain digest tells nothing; for the same reason a token
that somebody brings along must be long. The file of digests is read again whenever it changes: a
token that was added or revoked is so at once, while the service runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from qtower.errors import ConfigError, NotFoundError, StorageError
from qtower.paths import write_private

FILE_NAME = "tokens.json"
SHORTEST = 32
"""Characters of a token that a user brings along: shorter ones can be guessed."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token."""

    id: str
    user: str
    digest: str
    created: float  # seconds since 1970 UTC


def digest(token: str) -> str:
    """Returns a token's SHA-256 as 64 hex digits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def new_token() -> str:
    """Returns a new token, as programs took it from IBM: 128 hex digits."""
    return secrets.token_hex(64)


def check(token: str) -> str:
    """Returns the token that a person gave.

    Raises:
        ConfigError: It is too short, or holds what no header of HTTP may hold.
    """
    token = token.strip()
    if len(token) < SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigError(
            f"A token has at least {SHORTEST} printable ASCII characters, and no spaces.",
            "Leave it out, and qtower makes one.",
        )
    return token


class TokenFile:
    """The tokens of a service, in its data directory."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self._tokens: list[Token] = []

    def stamp(self) -> tuple[int, int, int] | None:
        """Returns what differs whenever the file does; None if it cannot be found."""
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def tokens(self) -> list[Token]:
        """Returns all tokens, the oldest first; reads the file only if it has changed.

        Raises:
            ConfigError: It cannot be read.
        """
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp != self._seen:
                self._tokens = msgspec.json.decode(self._file.read_bytes(), type=list[Token])
                self._seen = stamp
        except FileNotFoundError:
            self._tokens, self._seen = [], None
        except (OSError, msgspec.MsgspecError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise ConfigError(
                f"The tokens in {self._file} cannot be read: {reason}.",
                "Remove the file, and add the tokens again.",
            ) from None
        return self._tokens

    def add(self, user: str, token: str | None = None) -> tuple[Token, str]:
        """Adds a token, a new one if none is given; returns what is kept, and the token itself.

        Raises:
            ConfigError: The file cannot be read, or the token was added before.
            StorageError: The file cannot be written.
        """
        token = token or new_token()
        with self._changing():
            tokens = self.tokens()
            if any(known.digest == digest(token) for known in tokens):
                raise ConfigError("This token has been added before.", "Take another one.")
            added = Token(
                id=secrets.token_hex(4), user=user, digest=digest(token), created=time.time()
            )
            self._write([*tokens, added])
        return added, token

    def revoke(self, token_id: str) -> Token:
        """Removes a token; whoever was logged in with it is so no longer.

        Raises:
            ConfigError: The file cannot be read.
            NotFoundError: There is none with this id.
            StorageError: The file cannot be written.
        """
        with self._changing():
            tokens = self.tokens()
            revoked = next((token for token in tokens if token.id == token_id), None)
            if revoked is None:
                raise NotFoundError(
                    "There is no token with this id.", 'See "qtower service token list".'
                )
            self._write([token for token in tokens if token is not revoked])
        return revoked

    def _write(self, tokens: list[Token]) -> None:
        write_private(self._file, msgspec.json.encode(tokens) + b"\n")

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time; the kernel frees the lock if its holder dies."""
        try:
            with self._locked():
                yield
        except OSError as error:
            raise StorageError(
                f"The tokens in {self._file} cannot be changed: {error.strerror or error}.",
                "Nothing was changed. Check the directory's permissions and the disk's space.",
            ) from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._file.with_suffix(".lock")
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
