"""What the screens know of the app, so that it can know them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from qtower import model
from qtower.ui.board import Board
from qtower.ui.header import Standing
from qtower.ui.painting import SparingApp


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

    async def ask(self, request: model.Request) -> Any:
        """Asks the agent; returns the record that `model.ANSWERS` names for the request.

        Raises:
            QtowerError: The agent's refusal, or that it died before it answered.
        """
        raise NotImplementedError

    def attempt(self, work: Coroutine[Any, Any, None], group: str) -> None:
        """Runs `work` beside the screen; an error of ours is shown as a notice."""
        raise NotImplementedError

    def say(self, level: str, title: str, text: str) -> None:
        """Shows a notice of level "info", "warning" or "error"; texts may come from anywhere."""
        raise NotImplementedError
