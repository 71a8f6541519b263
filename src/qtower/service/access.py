"""Who may do what: API tokens, access tokens, and addresses of storage that are signed.

An access token is random and differs from the API token; only its SHA-256 is stored, so that a
client stays signed in when the service restarts. It ends when the API token is changed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from qtower.paths import write_private
from qtower.service.records import Owner
from qtower.service.store import Store

# Where an open account of the IBM Quantum Experience found itself; old programs name it.
HUB, GROUP, PROJECT = "ibm-q", "open", "main"

_USER = "owner"
_ACCESS_SECONDS = 14 * 24 * 3600
_REMEMBERED = 1_000


class Accounts:
    """The one user of the service."""

    def __init__(self, store: Store, api_token: str) -> None:
        self._store = store
        self._login_digest = _digest(api_token)
        self._signed_in: dict[str, tuple[str, int]] = {}  # digests, so that a dump holds no token

    def log_in(self, api_token: str) -> str | None:
        """Returns a new access token; None if the API token is nobody's."""
        if not hmac.compare_digest(_digest(api_token), self._login_digest):
            return None
        access_token = secrets.token_urlsafe(48)
        expires = _now() + _ACCESS_SECONDS * 1_000_000
        self._store.add_access_token(_digest(access_token), _USER, self._login_digest, expires)
        return access_token

    def known_user(self, access_token: str) -> str | None:
        """Returns whose access token it is, from memory alone; None if that does not tell."""
        user, expires = self._signed_in.get(_digest(access_token), ("", 0))
        return user if expires > _now() else None

    def find_user(self, access_token: str) -> str | None:
        """Returns whose access token it is; reads the store."""
        digest = _digest(access_token)
        found = self._store.access_token(digest)
        if found is None:
            return None
        user, login_digest, expires = found
        if not hmac.compare_digest(login_digest, self._login_digest) or expires <= _now():
            return None
        if len(self._signed_in) >= _REMEMBERED:
            self._signed_in.clear()
        self._signed_in[digest] = (user, expires)
        return user

    def owner(self, user: str, hub: str, group: str, project: str) -> Owner | None:
        """Returns the user in that place; None if it is not one of the user's."""
        return Owner(user, hub, group, project) if (hub, group, project) in self.places() else None

    def places(self) -> list[tuple[str, str, str]]:
        """Returns hub, group and project of every place of the user, the default one first."""
        return [(HUB, GROUP, PROJECT)]


@dataclass(frozen=True)
class Grant:
    """The right to one method on one part ("qobj" or "result") of one job's storage."""

    method: str
    job_id: str
    part: str


class Signer:
    """Signs grants for a short time, with a key that is kept in the data directory."""

    def __init__(self, key_file: Path) -> None:
        if not key_file.exists():
            write_private(key_file, secrets.token_bytes(32))
        self._key = key_file.read_bytes()

    def query(self, grant: Grant, seconds: float) -> str:
        """Returns the query of an address that gives the grant for so long."""
        expires = str(int(time.time() + seconds))
        return f"expires={expires}&signature={self._signature(grant, expires)}"

    def allows(self, grant: Grant, expires: str, signature: str) -> bool:
        """Whether this signature gives the grant now."""
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            return False
        expected = self._signature(grant, expires)
        valid = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
        return valid and int(expires) >= time.time()

    def _signature(self, grant: Grant, expires: str) -> str:
        text = "\n".join((grant.method, grant.job_id, grant.part, expires))
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _now() -> int:
    return time.time_ns() // 1000
