"""A tab that is made from the job's `Details`, as text that scrolls."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from qtower.model import Details, GetDetails, JobRow
from qtower.ui.screens.details.tab import DetailsTab
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.state_panel import StatePanel
from qtower.ui.widgets.text_lines import TextScroll


class FactsTab(DetailsTab):
    """Reads the details anew with every change of the row. A subclass implements `draw`."""

    LOADING: ClassVar[str]
    """What is said until the details are there."""

    PARTS: ClassVar[tuple[str, ...]]
    """Ids of the texts, from top to bottom."""

    def __init__(self, key: str, *, id: str) -> None:
        super().__init__(key, id=id)
        self.details: Details | None = None

    def compose(self) -> ComposeResult:
        yield StatePanel()
        with TextScroll():
            for part in self.PARTS:
                yield Static(id=part, markup=False)

    def on_mount(self) -> None:
        self.say("Loading", self.LOADING)

    @property
    def main(self) -> Widget:
        return self.query_one(TextScroll)

    def row_changed(self, before: JobRow | None, now: JobRow) -> None:
        self.outdated = True

    async def load(self) -> None:
        self.details = await ask(self, GetDetails(key=self.key), Details)
        self.draw(self.details)

    def on_resize(self) -> None:
        if self.details is not None and not self.panel.display:
            self.draw(self.details)

    def draw(self, details: Details) -> None:
        """Shows the details, or says why there is nothing to show."""
        raise NotImplementedError
