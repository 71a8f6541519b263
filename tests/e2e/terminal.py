"""A real terminal for a test: a pty on one side, an emulated screen on the other."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pexpect
import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "pagedown": "\x1b[6~",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "ctrl+r": "\x12",
    "ctrl+s": "\x13",
    "ctrl+z": "\x1a",
}


_MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])|\x1b\[([<>])[0-9]*u")
_KITTY_KEYS = -1
_AT_FIRST = frozenset({7, 25})  # lines wrap, and there is a cursor


class Terminal:
    """Runs a program in a pty of `columns` x `rows` and reads its screen as a person would."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.written = 0  # bytes the program has sent
        self._modes = set(_AT_FIRST)
        self._tail = b""
        self.process = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(directory),
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            dimensions=(rows, columns),
            timeout=None,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.close(force=True)

    @property
    def text(self) -> str:
        """What stands on the screen now."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def clean(self) -> bool:
        """Whether no mode is set that a terminal does not have at first: no mouse, no other
        screen, no bracketed paste, and the cursor is shown."""
        return self._modes == _AT_FIRST

    def press(self, *keys: str) -> None:
        """Sends keys by name ("enter", "ctrl+r"), or text as it is."""
        for key in keys:
            self.process.send(KEYS.get(key, key))
            # A lone escape is told from a sequence by the pause after it.
            self.read(0.2 if key == "escape" else 0.02)

    def read(self, seconds: float) -> bool:
        """Takes in what the program writes in the next `seconds`; false once it has ended."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                data = self.process.read_nonblocking(65536, timeout=left)
            except pexpect.TIMEOUT:
                break
            except pexpect.EOF:
                return False
            self.written += len(data)
            self._stream.feed(data)
            self._follow_modes(data)
        return True

    def _follow_modes(self, data: bytes) -> None:
        seen = self._tail + data
        end = 0
        for found in _MODE.finditer(seen):
            end = found.end()
            numbers, switch, stack = found.groups()
            changed = {int(each) for each in numbers.split(b";")} if numbers else {_KITTY_KEYS}
            if switch == b"h" or stack == b">":
                self._modes |= changed
            else:
                self._modes -= changed
        self._tail = seen[max(end, len(seen) - 16) :]

    def wait_for(
        self, condition: str | Callable[[str], bool], seconds: float = 60, why: str = ""
    ) -> str:
        """Waits until a text stands on the screen, or a condition of it holds."""

        def holds() -> bool:
            return condition in self.text if isinstance(condition, str) else condition(self.text)

        deadline = time.monotonic() + seconds
        while not holds():
            alive = self.read(0.1)
            if not holds() and (not alive or time.monotonic() > deadline):
                raise AssertionError(f"waited for {why or condition!r}; the screen is\n{self.text}")
        return self.text

    def wait_for_end(self, seconds: float = 5) -> int:
        """Waits until the program has ended, and returns its exit code."""
        deadline = time.monotonic() + seconds
        while self.read(0.1):
            if time.monotonic() > deadline:
                raise AssertionError(f"the program is still running; the screen is\n{self.text}")
        self.process.close()
        status = self.process.exitstatus
        return int(status if status is not None else -self.process.signalstatus)
