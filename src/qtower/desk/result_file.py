"""The file of a result while it is written: it has no name until all of it is on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from qtower import paths
from qtower.errors import StorageError

DIGEST = 64
"""Characters of a SHA-256 in hexadecimal."""

COMING, CUT_OFF = ".coming", ".cut-off"
"""How the names end of what is being written, and of what came and was no whole document: the
beginning of one, for a person to look at."""

_LEVEL = 1  # a tenth of the time of the default level, and counts are packed almost as tightly


class ResultFile:
    """A result's file while it is written; its first fault ends that, and is raised to nobody."""

    def __init__(self, file: Path | None) -> None:
        """Without a `file` nothing is written."""
        self.fault: str | None = None
        """What went wrong, in words; None as long as nothing did."""
        self._target = file
        self._partial: Path | None = None
        self._stream: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._packer = zlib.compressobj(_LEVEL)
        if file is not None:
            self._guarded(lambda: self._open(file))

    def write(self, piece: bytes) -> None:
        """Takes the next piece of the document."""
        self._digest.update(piece)
        if self._stream is not None:
            self._guarded(lambda: self._put(self._packer.compress(piece)))

    def finish(self) -> None:
        """All has come: it gets its checksum and its name, and is on disk at the return."""
        if self._stream is not None:
            self._guarded(self._finish)

    def cut_off(self) -> None:
        """What has come is not all: it is left beside, for a person to look at."""
        if self._stream is not None:
            self._guarded(self._leave)

    def close(self) -> None:
        """What is not finished is gone."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
        if self._partial is not None:
            with contextlib.suppress(OSError):  # the disk has become read-only, for example
                self._partial.unlink(missing_ok=True)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (OSError, StorageError) as error:
            self.fault = getattr(error, "strerror", None) or str(error)
            self.close()
            self._stream = None

    def _open(self, file: Path) -> None:
        paths.private_dir(file.parent)
        self._partial = file.with_name(f".{file.name}.{os.getpid()}{COMING}")
        self._partial.unlink(missing_ok=True)
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._stream = os.fdopen(descriptor, "wb")
        self._put(b"0" * DIGEST + b"\n")  # no checksum yet: it is known in the end

    def _put(self, content: bytes) -> None:
        assert self._stream is not None
        self._stream.write(content)

    def _leave(self) -> None:
        assert self._stream and self._partial and self._target
        self._put(self._packer.flush())
        self._stream.flush()
        self._partial.replace(self._target.with_name(self._target.name + CUT_OFF))

    def _finish(self) -> None:
        assert self._stream and self._partial and self._target
        self._put(self._packer.flush())
        self._stream.seek(0)
        self._put(self._digest.hexdigest().encode())
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._partial.replace(self._target)
        paths.sync_directory(self._target.parent)
