"""A terminal around a screen that is measured: what it writes, when, and what is seen then."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

import psutil
import pyte

COLUMNS, LINES = 160, 48
_CHUNK = 4096


class Terminal:
    """Runs `benchmarks.screen_host` in a pty.

    Args:
        kind: "qtower", "table" or "textual", as `screen_host` has them.
        rows: Jobs that it lists.
        rate: How often a second 500 of them change.
        bytes_a_second: How fast the line is; None: as fast as it can be read.
    """

    def __init__(
        self, kind: str, rows: int, rate: float, bytes_a_second: int | None = None
    ) -> None:
        self._command = [
            sys.executable, "-m", "benchmarks.screen_host", kind, str(rows), str(rate)
        ]  # fmt: skip
        self._speed = bytes_a_second
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._free_at = 0.0  # when the line can carry the next bytes
        self.written = 0  # bytes that came out so far

    def __enter__(self) -> Terminal:
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            for name in ("COLUMNS", "LINES", "NO_COLOR"):
                os.environ.pop(name, None)
            os.execv(self._command[0], self._command)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.process = psutil.Process(self._pid)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        children = self.process.children(recursive=True)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        for child in children:
            if child.is_running():
                child.kill()
        os.close(self._file)

    def press(self, keys: str) -> None:
        """Types."""
        os.write(self._file, keys.encode())

    def have_changes(self) -> None:
        """Has the agent tell that 500 jobs have changed."""
        (agent,) = self.process.children()
        agent.send_signal(signal.SIGUSR1)

    def read(self, seconds: float) -> float | None:
        """Takes in what is written next; returns when it came, or None if nothing did."""
        end = time.perf_counter() + seconds
        if self._free_at > time.perf_counter():
            time.sleep(max(0.0, min(self._free_at, end) - time.perf_counter()))
        if not select.select([self._file], [], [], max(0.0, end - time.perf_counter()))[0]:
            return None
        size = _CHUNK if self._speed is None else self._speed // 50
        data = os.read(self._file, size)
        came = time.perf_counter()
        if self._speed is not None:
            self._free_at = came + len(data) / self._speed
        self.written += len(data)
        self._stream.feed(data)
        return came

    def read_for(self, seconds: float) -> int:
        """Takes in all that is written in so many seconds; returns how many bytes."""
        before, end = self.written, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)
        return self.written - before

    def settle(self, quiet: float = 0.7, most: float = 120.0) -> float:
        """Reads until nothing came for so long; returns how long that took."""
        began = time.perf_counter()
        while self.read(quiet) is not None:
            if time.perf_counter() - began > most:
                raise TimeoutError("the screen never comes to rest")
        return time.perf_counter() - began - quiet

    def rest(self, seconds: float, most: float = 120.0) -> None:
        """Reads until the screen's thread did next to nothing for so long, or `most` have gone."""
        end = time.perf_counter() + most
        while time.perf_counter() < end:
            before = self.cpu_seconds
            self.read_for(seconds)
            if self.cpu_seconds - before < seconds / 10:
                return

    def wait_for(self, text: str, most: float = 180.0) -> None:
        """Reads until a text stands on the screen.

        Raises:
            TimeoutError: It does not.
        """
        end = time.perf_counter() + most
        while not any(text in line for line in self._screen.display):
            if time.perf_counter() > end:
                raise TimeoutError("\n".join(self._screen.display))
            self.read(0.2)

    def cursor_line(self) -> int | None:
        """The line of the list's cursor: the one whose background is not that of most lines."""
        grounds = [self._screen.buffer[y][6].bg for y in range(4, LINES - 3)]
        usual = max(set(grounds), key=grounds.count)
        found = [y for y, ground in enumerate(grounds, 4) if ground != usual]
        return found[0] if len(found) == 1 else None

    def step(self, key: str, most: float = 10.0) -> float:
        """Presses a key that moves the cursor; returns the seconds until it is seen elsewhere.

        A screen that does not show it in `most` seconds is not waited for any longer: it took so
        long at the least.
        """
        before, began = self.cursor_line(), time.perf_counter()
        self.press(key)
        while time.perf_counter() < began + most:
            came = self.read(0.5)
            if came is not None and self.cursor_line() not in (before, None):
                return came - began
        return most

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the screen's thread so far, by the nanosecond where Linux tells it."""
        with contextlib.suppress(OSError):
            told = Path(f"/proc/{self._pid}/task/{self._pid}/schedstat").read_text()
            return int(told.split()[0]) / 1e9
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> int:
        """The screen's own resident memory, bytes."""
        return int(self.process.memory_full_info().uss)
