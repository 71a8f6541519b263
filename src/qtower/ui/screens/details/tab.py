"""What all tabs of the details screen do alike: load when seen, say what is the matter."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from qtower.errors import AgentError, NetworkError, QtowerError
from qtower.model import JobRow
from qtower.ui.actions import Needs, Scope
from qtower.ui.widgets.asking import row_of
from qtower.ui.widgets.state_panel import StatePanel


class DetailsTab(Vertical):
    """One tab. A subclass composes a `StatePanel` and a content, and implements `load`.

    It loads when it is shown for the first time, and again when its job has changed so that
    there may be something new. A load that is overtaken by another one is dropped.
    """

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.TEXT,)
    """Whose keys work while the tab is on screen, its own first; the screen binds those."""

    def __init__(self, key: str, *, id: str) -> None:
        super().__init__(id=id)
        self.key = key
        self.outdated = True
        self._failed: QtowerError | None = None

    # -- for the screen --

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """`SCOPES`, or what of them counts at the moment."""
        return self.SCOPES

    def appear(self) -> None:
        """The tab is on screen: loads it if it never was, if it is outdated, or if that failed."""
        if self.outdated or self._failed is not None:
            self.reload()
        self.focus_content()

    def row_changed(self, before: JobRow | None, now: JobRow) -> None:
        """The job's row changed. Marks the tab as outdated if it may show something else now.

        Until the job is final, what stands there is where the job is now.
        """
        if before is None or before.status is not now.status or not now.status.final:
            self.outdated = True

    def line_is_back(self) -> None:
        """The endpoint or the agent answers again: what failed for that reason is outdated."""
        if isinstance(self._failed, NetworkError | AgentError):
            self.outdated = True

    def reload(self) -> None:
        """Loads the tab again; what is shown stays until the answer is there."""
        self.outdated = False
        self._failed = None
        self.start(self._guarded(self.load()), "load")

    def has(self, needs: Needs) -> bool:
        """True if there is what an action of the tab is done to."""
        return True

    def copy_text(self) -> str:
        """What `y` copies: the text of the tab."""
        raise NotImplementedError

    def focus_content(self) -> None:
        """Gives the focus to what the arrow keys are meant for."""
        target = self.panel if self.panel.display else self.main
        target.focus()

    # -- for subclasses --

    @property
    def panel(self) -> StatePanel:
        """Where the state of the tab is said while there is no content."""
        return self.query_one(StatePanel)

    @property
    def main(self) -> Widget:
        """The content that takes the focus."""
        raise NotImplementedError

    @property
    def row(self) -> JobRow | None:
        """The job's row as it is now."""
        return row_of(self, self.key)

    async def load(self) -> None:
        """Asks the agent, then shows the answer. QtowerErrors may leave it."""
        raise NotImplementedError

    def say(self, title: str, what: str = "", next_step: str = "") -> None:
        """Shows a state in place of the content."""
        self.panel.say(title, what, next_step)
        self._show_panel(True)

    def show_content(self) -> None:
        """Shows the content in place of the state."""
        self._show_panel(False)

    def start(self, work: Coroutine[Any, Any, None], group: str) -> None:
        """Runs `work` while the tab exists; earlier work of `group` is dropped."""
        self.run_worker(work, group=group, exclusive=True)

    async def _guarded(self, load: Coroutine[Any, Any, None]) -> None:
        try:
            await load
        except QtowerError as error:
            self._failed = error
            self.panel.fail(error)
            self._show_panel(True)

    def _show_panel(self, panel_is_shown: bool) -> None:
        changes = self.panel.display is not panel_is_shown
        self.panel.display = panel_is_shown
        for child in self.children:
            if child is not self.panel:
                child.display = not panel_is_shown
        if changes and isinstance(self.parent, Widget) and self.parent.display:
            self.focus_content()


def position_words(row: JobRow) -> str:
    """What a job that is not final is doing, for example "Job is QUEUED at position 3."."""
    if row.queue_position is not None:
        return f"Job is {row.status.value} at position {row.queue_position}."
    return f"Job is {row.status.value}."
