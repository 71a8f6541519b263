"""Where a tally lies: in this process alone, or in a file that all of a user's qtowers share."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import time
from pathlib import Path
from typing import Protocol

from qtower.desk.tally import SIZE, Tally

_log = logging.getLogger(__name__)

_PATIENCE = 1.0  # s for another process to let go of the file: it needs microseconds
_FIRST_LOOK, _LONGEST_LOOK = 0.0002, 0.01  # s between two looks whether it has
_ALONE_SECONDS = 10.0  # until a file is tried again that could not be used


class TallyPlace(Protocol):
    """Gives out the tally inside a `with`, in which nobody else has it; no more than one thread
    at a time may ask. What was changed is there for everybody afterwards."""

    def __enter__(self) -> Tally: ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Gives up what it holds; it is the tally of this process alone from then on."""


class OwnTally(TallyPlace):
    """In this process, which alone has it."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __enter__(self) -> Tally:
        return self._tally

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Changes nothing."""


class SharedTally(TallyPlace):
    """In a small file, under a lock that ends with the process that has it, however it dies.

    A file that is no tally, or a part of one, begins anew with what this process knew last. One
    that cannot be used, because the directory is read-only, the disk is full, or whoever has it
    locked was stopped in that moment, leaves this process with a copy of its own for a while; what
    it learned meanwhile is added when the file is there again. Nothing is raised.
    """

    def __init__(self, path: Path, tally: Tally) -> None:
        """`tally` is taken where the file has none yet."""
        self._path = path
        self._tally = tally
        self._file: int | None = None  # its descriptor
        self._locked = False
        self._alone_until: float | None = 0.0  # by the monotonic clock; None: for ever
        self._complained = False

    def __enter__(self) -> Tally:
        if self._alone_until is None or time.monotonic() < self._alone_until:
            return self._tally
        try:
            self._lock()
            self._read()
            self._complained = False
        except OSError as error:
            self._let_go()
            self._leave_it(error)
        return self._tally

    def __exit__(self, *_: object) -> None:
        if not self._locked:
            return
        try:
            if self._tally.changed:
                self._write()
        except OSError as error:
            self._leave_it(error)
        finally:
            self._let_go()

    def close(self) -> None:
        """Lets go of the file."""
        self._close_file()
        self._alone_until = None

    # -- the file -------------------------------------------------------------------------------

    def _lock(self) -> None:
        file = self._file = self._open() if self._file is None else self._file
        self._wait_for_lock(file)
        if not os.fstat(file).st_nlink:  # it was removed: others have another by now
            self._close_file()
            file = self._file = self._open()
            self._wait_for_lock(file)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(self._path, flags, 0o600)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{self._path} is no file")
            if stat.S_IMODE(status.st_mode) & 0o077:
                os.fchmod(file, 0o600)
        except OSError:
            os.close(file)
            raise
        return file

    def _wait_for_lock(self, file: int) -> None:
        # Not a lock that is waited for: whoever was stopped with it would stop everybody.
        end, pause = time.monotonic() + _PATIENCE, _FIRST_LOOK
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)
            else:
                self._locked = True
                return

    def _read(self) -> None:
        assert self._file is not None
        found = Tally.unpacked(os.pread(self._file, SIZE, 0))
        if found is not None:
            found.take_over(self._tally)
            self._tally = found
        else:
            self._tally.changed = True
            os.ftruncate(self._file, SIZE)

    def _write(self) -> None:
        assert self._file is not None
        if os.pwrite(self._file, self._tally.packed(), 0) < SIZE:
            raise OSError(f"{self._path} could not be written as a whole")
        self._tally.written()

    def _let_go(self) -> None:
        if self._locked and self._file is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_UN)
            except OSError:
                self._close_file()  # which lets go of it, too
        self._locked = False

    def _close_file(self) -> None:
        file, self._file, self._locked = self._file, None, False
        if file is not None:
            os.close(file)

    def _leave_it(self, error: OSError) -> None:
        """Goes on alone for a while."""
        self._alone_until = time.monotonic() + _ALONE_SECONDS
        if not self._complained:
            _log.warning("calls are not counted together with other qtowers: %s", error)
            self._complained = True
