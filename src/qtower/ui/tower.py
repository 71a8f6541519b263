"""What the screens know of the app, so that it can know them: what it holds, asking, notices."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.notifications import SeverityLevel

from qtower import model
from qtower.errors import QtowerError
from qtower.text import inert, inert_lines
from qtower.ui.board import Board
from qtower.ui.header import Standing
from qtower.ui.painting import SparingApp

LOW_HEIGHT = 20
"""Terminals lower than it have a header of one line, and notices above the list."""

_SEVERITY: dict[str, SeverityLevel] = {
    "info": "information",
    "warning": "warning",
    "error": "error",
}


class Tower(SparingApp, inherit_bindings=False):
    """The app, as a screen sees it.

    Attributes:
        board: All rows.
        standing: The account, the connection and the agent, as they are now.
        sending: The sets that are not wholly sent.
        clock: Seconds since 1970 UTC.
    """

    board: Board
    standing: Standing
    sending: list[model.UnsentSet]
    clock: Callable[[], float]

    @property
    def read_only(self) -> bool:
        """True if jobs are only looked at."""
        return self.standing.read_only

    async def ask(self, request: model.Request, timeout: float | None = None) -> Any:
        """Asks the agent; returns the record that `model.ANSWERS` names for the request.

        Args:
            request: What is asked.
            timeout: Seconds until it is given up; None: as long as requests of its kind may take.

        Raises:
            QtowerError: The agent's refusal, or that it died before it answered.
        """
        raise NotImplementedError

    def attempt(self, work: Coroutine[Any, Any, None], group: str) -> None:
        """Runs `work` beside the screen; an error of ours is shown as a notice."""

        async def run() -> None:
            try:
                await work
            except QtowerError as error:
                self.say("error", error.title, str(error))

        self.run_worker(run(), group=group)

    def say(self, level: str, title: str, text: str) -> None:
        """Shows a notice of level "info", "warning" or "error"; texts may come from anywhere."""
        severity = _SEVERITY.get(level, "information")
        low = self.size.height < LOW_HEIGHT
        self.notify(
            inert(text, 500),
            title="" if low else title,
            severity=severity,
            timeout=10 if severity == "error" else 5,
        )

    def notify(self, message: str, *, title: str = "", markup: bool = False, **how: Any) -> None:
        """Shows a notice, whose texts may come from anywhere."""
        super().notify(inert_lines(message, 500), title=inert(title, 80), markup=markup, **how)

    def copy_to_clipboard(self, text: str) -> None:
        """Copies visible text: what is pasted into a shell must not act there."""
        super().copy_to_clipboard(inert_lines(text))
