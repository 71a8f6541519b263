"""The end of the screen when it is told to end: by a signal, or because its terminal has gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from typing import Any

_LAST_SECONDS = 0.8
"""So long the app has for an orderly end. Writing to a terminal that is stuck blocks for ever."""

_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_AS_IT_WAS = (
    b"\x1b[?2026l"  # what was drawn is shown
    b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"  # mouse
    b"\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # focus, bracketed paste, sizes in band
    b"\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"  # wrapping, keys, the other screen, the cursor
)


class Terminal:
    """The terminal before the screen came to it, to be put back by whoever is still alive."""

    def __init__(self, keys: int, screen: int) -> None:
        """`keys` and `screen` are the descriptors that are read and written."""
        self._keys = keys
        self._screen = screen
        self._modes: list[Any] | None = None
        with contextlib.suppress(termios.error):
            self._modes = termios.tcgetattr(keys)

    def put_back(self) -> None:
        """Undoes all that the screen may have done; waits for nothing and raises nothing."""
        with contextlib.suppress(OSError, termios.error):
            if self._modes is not None:
                termios.tcsetattr(self._keys, termios.TCSANOW, self._modes)
            os.set_blocking(self._screen, False)
            # What the screen wrote last, and is stuck, would come between.
            termios.tcflush(self._screen, termios.TCOFLUSH)
            os.write(self._screen, _AS_IT_WAS)
        with contextlib.suppress(OSError):
            os.set_blocking(self._screen, True)  # it is the shell's as well

    def wait_until_gone(self) -> bool:
        """Returns true once nobody is at its other end; false where that is not told."""
        poll = select.poll()
        poll.register(self._keys, 0)  # errors and the end are told unasked
        return any(found & (select.POLLHUP | select.POLLERR) for _, found in poll.poll())


class Leaving:
    """Ends the app in order when a signal comes or the terminal goes, and the process in any case.

    The handlers are Python's own and not the event loop's: a loop that waits for a stuck terminal
    hears nothing.
    """

    def __init__(self, terminal: Terminal, at_last: Callable[[], object]) -> None:
        """`at_last` is called from another thread before the process is ended the hard way."""
        self.signal = 0
        """The signal that came first; 0: none."""
        self._terminal = terminal
        self._at_last = at_last
        self._leave: Callable[[], object] = lambda: None

    def watch(self, leave: Callable[[], object]) -> None:
        """From now on a signal, or the end of the terminal, calls `leave`, from any thread."""
        self._leave = leave
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
                signal.signal(number, lambda number, frame: self._begin(number))
        threading.Thread(target=self._watch_terminal, name="terminal", daemon=True).start()

    def _watch_terminal(self) -> None:
        if self._terminal.wait_until_gone():
            self._begin(signal.SIGHUP)

    def _begin(self, number: int) -> None:
        if self.signal:
            return
        self.signal = number
        end = threading.Timer(_LAST_SECONDS, self._end)
        end.daemon = True
        end.start()
        self._leave()

    def _end(self) -> None:
        try:
            self._at_last()
            self._terminal.put_back()
        finally:
            os._exit(128 + self.signal)


def this_terminal() -> Terminal:
    """The terminal that Textual reads and writes."""
    assert sys.__stdin__ is not None and sys.__stderr__ is not None
    return Terminal(sys.__stdin__.fileno(), sys.__stderr__.fileno())
