"""Results kept on disk: an endpoint may hand each one out only once."""

from __future__ import annotations

import hashlib
import logging
import re
import zlib
from pathlib import Path

from qtower import paths
from qtower.errors import StorageError

_log = logging.getLogger(__name__)

_DIGEST = 64  # characters of a SHA-256 in hexadecimal


def safe_name(name: str) -> str:
    """`name` as a file name; where odd characters were replaced, a digest tells names apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80].lstrip(".")
    if plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


class KeptResults:
    """A folder of result documents, compressed, each with its checksum."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, job_id: str, raw: bytes) -> None:
        """Writes the result document of a job, all of it or nothing.

        Raises:
            StorageError: It could not be written.
        """
        digest = hashlib.sha256(raw).hexdigest().encode()
        try:
            file = paths.private_dir(self._folder) / safe_name(job_id)
            paths.write_private(file, digest + b"\n" + zlib.compress(raw, 6))
        except OSError as error:
            raise StorageError(
                f"The result of job {job_id} could not be kept: {error.strerror or error}.",
                "Check the free space of the disk.",
            ) from error

    def read(self, job_id: str) -> bytes | None:
        """The result document of a job, or None if it was never kept or is damaged."""
        file = self._folder / safe_name(job_id)
        try:
            content = file.read_bytes()
        except OSError:
            return None
        digest, packed = content[:_DIGEST], content[_DIGEST + 1 :]
        try:
            raw = zlib.decompress(packed)
        except zlib.error:
            raw = b""
        if hashlib.sha256(raw).hexdigest().encode() == digest:
            return raw
        _log.warning("the kept result %s is damaged and was put aside", file.name)
        file.replace(file.with_name(f"{file.name}.damaged"))
        return None
