"""Addresses that are signed: each gives one right, for a short time, to whoever has it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from qtower.paths import write_private

KEY_FILE = "signing-key"
"""In the data directory: whoever can read it may ask what only the service's owner may."""


@dataclass(frozen=True)
class Grant:
    """The right to one method on one part ("qobj" or "result") of one job's storage."""

    method: str
    job_id: str
    part: str


STATUS = Grant("GET", "", "status")
"""The right to ask how the whole service is; no job has that id."""


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
