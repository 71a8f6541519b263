"""Stopped and continued by the shell: Ctrl+Z and `fg`, and SIGSTOP and SIGCONT from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios

from textual.app import App, SuspendNotSupported


class Suspension:
    """Lets a shell stop the app. All calls on its event loop.

    In place of Textual's handlers. They stop this process alone, so that a shell hears nothing of
    it when `make` or a script has started us, and nobody could ever continue it where there is no
    shell (`ssh -t host qtower`); and a SIGCONT after a plain SIGSTOP starts the screen twice.
    """

    def __init__(self, app: App[None]) -> None:
        self._app = app

    def install(self) -> None:
        """From now on the app's signals come here; needs a driver that runs."""
        with contextlib.suppress(RuntimeError, ValueError):  # a loop without signals: tests
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTSTP, self.suspend)
            loop.add_signal_handler(signal.SIGCONT, self._begin_anew)

    def suspend(self) -> None:
        """Gives the terminal back, and returns when the app has it again."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(SuspendNotSupported), self._app.suspend():
            loop.remove_signal_handler(signal.SIGTSTP)
            loop.remove_signal_handler(signal.SIGCONT)
            _stop_this_group()
        self.install()

    def _begin_anew(self) -> None:
        """We were stopped unasked: whoever had the terminal since may have done anything to it."""
        with contextlib.suppress(SuspendNotSupported), self._app.suspend():
            pass


def _stop_this_group() -> None:
    """Stops us and whoever started us for the shell; returns in the foreground.

    With no shell that could continue us the system leaves the signal out, and this returns at once.
    """
    assert sys.__stdin__ is not None
    os.kill(0, signal.SIGTSTP)
    # After `bg` the system stops whoever asks for this, until `fg`.
    with contextlib.suppress(termios.error):  # the terminal has gone
        termios.tcdrain(sys.__stdin__.fileno())
