"""When the monitor draws: once its jobs are known, whole, and below a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtower.ui.painting.below import shine_through

if TYPE_CHECKING:
    from textual.screen import Screen

    from qtower.ui.tower import Tower

    Base = Screen[Any]
else:
    Base = object  # beside Textual's Screen, not above it

_BATCH_SECONDS = 0.02
_JOURNAL_SECONDS = 0.3
"""So long the first picture waits for the jobs that the journal has: an empty list comes late."""


class Drawing(Base):
    """Stands before `Screen` among the bases of a screen, which calls `await_jobs` when mounted."""

    app: Tower
    awaits_jobs = True
    """Nothing is drawn yet."""

    def await_jobs(self) -> None:
        """Begins to draw after a while, whether or not the first jobs have come."""
        self.set_timer(_JOURNAL_SECONDS, self.begin_to_draw)

    def begin_to_draw(self) -> None:
        """Draws from now on."""
        if self.awaits_jobs:
            self.awaits_jobs = False
            self.drawing_begins()
            self.refresh()

    def drawing_begins(self) -> None:
        """Shows what was not worth showing until now."""

    def _compositor_refresh(self) -> None:
        if self.awaits_jobs:
            return  # what is to be drawn is drawn with all the rest
        if self.app._batch_count:
            # Textual would draw, and throw away what it drew: a part that is only ever sent when
            # it differs would stay blank. What is to be drawn is kept until the batch is over.
            self.set_timer(_BATCH_SECONDS, self._compositor_refresh)
        elif not shine_through(self):
            super()._compositor_refresh()
