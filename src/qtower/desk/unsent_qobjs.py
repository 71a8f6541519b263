"""Qobjs of jobs that were not sent yet, kept so that no end of a process can lose one."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

from qtower import paths
from qtower.errors import StorageError

_log = logging.getLogger(__name__)

_DIGEST = 64  # characters of a SHA-256 in hexadecimal
# Longer than any qtower goes on without its journal's file: till then only it knows their parts.
_LEFT_SECONDS = 7 * 86_400.0
_LEVEL = 1  # a qobj is kept for seconds, as a rule


class UnsentQobjs:
    """A folder of qobjs as compressed JSON, each with its checksum; 0600, whole or not at all."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder none can be kept."""
        self._folder = folder

    def keep(self, set_id: str, qobjs: list[bytes]) -> None:
        """Writes the qobj of each part of a set; on disk at the return.

        Raises:
            StorageError: One could not be written; none of them is kept then.
        """
        if self._folder is None:
            raise StorageError(
                "There is no state directory to write the jobs down in. Nothing was sent.",
                "See what is wrong with it, and start qtower again.",
            )
        try:
            folder = paths.private_dir(self._folder)
            for index, raw in enumerate(qobjs):
                digest = hashlib.sha256(raw).hexdigest().encode()
                content = digest + b"\n" + zlib.compress(raw, _LEVEL)
                paths.write_private(folder / _name(set_id, index), content)
            paths.sync_directory(folder)
        except OSError as error:
            self.remove(set_id, range(len(qobjs)))
            raise StorageError(
                f"The jobs could not be written down before they are sent: "
                f"{error.strerror or error}. Nothing was sent.",
                "Check the free space of the disk.",
            ) from error

    def read(self, set_id: str, index: int) -> bytes | None:
        """The qobj of part `index`, or None if it is not kept, or damaged."""
        name = _name(set_id, index)
        if self._folder is None:
            return None
        try:
            content = (self._folder / name).read_bytes()
            raw = zlib.decompress(content[_DIGEST + 1 :])
        except (OSError, zlib.error) as error:
            _log.warning("the qobj of unsent part %s cannot be read: %s", name, error)
            return None
        if hashlib.sha256(raw).hexdigest().encode() != content[:_DIGEST]:
            _log.warning("the qobj of unsent part %s is damaged", name)
            return None
        return raw

    def has(self, set_id: str, index: int) -> bool:
        """Whether the qobj of part `index` is kept."""
        name = _name(set_id, index)
        return self._folder is not None and (self._folder / name).exists()

    def tidy(self, needed: Callable[[], set[tuple[str, int]]], now: float) -> None:
        """Removes what is older than a week and belongs to no part of `needed`.

        A process that ended in between may have left it.
        """
        if self._folder is None or not self._folder.is_dir():
            return
        old = [file for file in self._folder.iterdir() if _age(file, now) > _LEFT_SECONDS]
        if not old:
            return
        names = {_name(set_id, index) for set_id, index in needed()}
        for file in old:
            if file.name not in names:
                file.unlink(missing_ok=True)

    def remove(self, set_id: str, indexes: range | list[int]) -> None:
        """Lets go of the qobjs of parts, as far as they are kept."""
        for index in indexes:
            name = _name(set_id, index)
            if self._folder is not None:
                try:
                    (self._folder / name).unlink(missing_ok=True)
                except OSError as error:  # found again, and removed, when the set is looked at
                    _log.warning("the qobj of part %s was not removed: %s", name, error)


def _age(file: Path, now: float) -> float:
    try:
        return now - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _name(set_id: str, index: int) -> str:
    # A set's id is one of ours: hexadecimal. One that is not must not lead out of the folder.
    safe = set_id if set_id.isalnum() else hashlib.sha256(set_id.encode()).hexdigest()
    return f"{safe}-{index}"
