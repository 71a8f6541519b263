"""An app that spares the line to its terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.color import ColorSystem
from textual import events
from textual.app import App
from textual.screen import Screen

from qtower.ui.painting.difference import Difference, lines_of
from qtower.ui.painting.shown import Shown

_WRITES_BEHIND = 4
"""With so many screen updates waiting for the terminal, the next one waits too."""


class SparingApp(App[None], inherit_bindings=False):
    """Sends what differs from what stands on the terminal.

    What stands there is forgotten, and all of it sent anew, where somebody else may have written:
    when the size changes, when the terminal was given away, and when a person asks for it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shown = Shown()

    @property
    def terminal_is_behind(self) -> bool:
        """True while the terminal has not taken what it was sent: painting more would queue up."""
        # Textual queues 30 writes and then blocks the screen; it has no public gauge of the queue.
        queue = getattr(getattr(self._driver, "_writer_thread", None), "_queue", None)
        return queue is not None and queue.qsize() >= _WRITES_BEHIND

    def action_redraw(self) -> None:
        """Draws all of the screen, whatever stands there now."""
        self._shown.forget()
        self.refresh()

    async def on_event(self, event: events.Event) -> None:
        """Terminals that change their size fold or cut what stands on them, each in its way."""
        if isinstance(event, events.Resize):
            self._shown.forget()
        await super().on_event(event)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Gives the terminal to others, who leave on it what they like."""
        with super().suspend():
            try:
                yield
            finally:
                self._shown.forget()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        # Textual draws nothing otherwise: in a batch, before the start and after the end.
        draws = not self._batch_count and self._running and not self._closed
        lines = lines_of(renderable) if draws and not self.is_headless else None
        if lines is not None:
            color_system = self.console._color_system or ColorSystem.TRUECOLOR
            renderable = Difference(self._shown.show(self.size, lines, color_system))
            if not renderable.written and self.cursor_position == self._previous_cursor_position:
                self.post_display_hook()
                return
        super()._display(screen, renderable)
