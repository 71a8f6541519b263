"""The details screen: one job, five tabs."""

from __future__ import annotations

import time

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.dom import DOMNode
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static, TabbedContent, TabPane

from qtower.model import JobRow
from qtower.text import inert
from qtower.ui.actions import Action, Needs, Scope, bindings
from qtower.ui.messages import AgentChanged, ConnectionChanged, RowsChanged
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.cancel import cancel_job
from qtower.ui.screens.details.error import ErrorTab
from qtower.ui.screens.details.qobj import QobjTab
from qtower.ui.screens.details.result import ResultTab
from qtower.ui.screens.details.summary import SummaryTab
from qtower.ui.screens.details.tab import DetailsTab
from qtower.ui.screens.details.timeline import TimelineTab
from qtower.ui.widgets.asking import row_of
from qtower.ui.widgets.hints import Hints
from qtower.ui.words import job_name

TABS: dict[str, type[DetailsTab]] = {
    "summary": SummaryTab,
    "timeline": TimelineTab,
    "result": ResultTab,
    "error": ErrorTab,
    "qobj": QobjTab,
}

_RELOAD_EVERY = 0.5  # seconds, at most: a job may change more often than a person reads

_WIDTHS = [(0, "-narrow"), (100, "-wide")]


def job_title(row: JobRow) -> str:
    """What the job is called: of a set its name, the place in it, and what that job holds.

    Of a job of its own what the list calls it, and its own name if that is another.
    """
    if row.index is None:
        shown = job_name(row)
        return f"{shown}  ({row.name})" if row.name and row.name != shown else shown
    return f"{row.set_name or row.set_id} #{row.index}  {row.label}".rstrip()


class DetailsScreen(Acting, Screen[None]):
    """All that is known of the job `key`, beginning at the tab `tab`."""

    AUTO_FOCUS = ""  # the tab that appears takes the focus
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    # Those of the tabs too: they work wherever the focus is.
    BINDINGS = bindings(Scope.DETAILS, Scope.RESULT, Scope.QOBJ, Scope.EXPERIMENTS)

    def __init__(self, key: str, tab: str = "summary") -> None:
        super().__init__()
        self.key = key
        self._first_tab = tab if tab in TABS else "summary"
        self._row: JobRow | None = None
        self._reloaded = 0.0  # on the monotonic clock
        self._reload_later: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="details-title"):
            yield Static(id="details-name", markup=False)
            yield Static(id="details-status", markup=False)
            yield Static(id="details-id", markup=False)
        with TabbedContent(initial=self._first_tab, id="details-tabs"):
            for number, (name, tab) in enumerate(TABS.items(), start=1):
                with TabPane(f"{number} {name.capitalize()}", id=name):
                    yield tab(self.key, id=f"tab-{name}")
        yield Hints(id="details-hints")

    def on_mount(self) -> None:
        self._row = row_of(self, self.key)
        self._show_title()

    @property
    def active_tab(self) -> DetailsTab:
        """The tab on screen."""
        return self._tab(self._active)

    @property
    def _active(self) -> str:
        tabs = self.query(TabbedContent)
        return (tabs.first().active if tabs else "") or self._first_tab

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The keys of a tab work only while it is on screen."""
        tab = self.query(f"#tab-{self._active}").results(DetailsTab)
        return (Scope.DETAILS, *(scope for each in tab for scope in each.scopes))

    def has(self, needs: Needs) -> bool:
        return needs in (Needs.NOTHING, Needs.JOB) or self.active_tab.has(needs)

    def target_of(self, action: Action) -> DOMNode:
        return self if action.scope is Scope.DETAILS else self.active_tab

    def action_show_tab(self, name: str) -> None:
        """Goes to the tab `name`."""
        tabs = self.query_one(TabbedContent)
        if tabs.active == name:
            self.active_tab.focus_content()
        tabs.active = name

    def action_cancel(self) -> None:
        """Asks, and cancels the job."""
        cancel_job(self.app, self.key)

    def action_copy(self) -> None:
        """Copies the text of the tab to the terminal's clipboard."""
        text = self.active_tab.copy_text()
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(f"{len(text.splitlines()):,} lines copied.")
        else:
            self.notify("There is nothing to copy here yet.", severity="warning")

    @on(TabbedContent.TabActivated)
    def _tab_activated(self) -> None:
        self.query_one(Hints).refresh()
        self.active_tab.appear()

    @on(RowsChanged)
    def _rows_changed(self, message: RowsChanged) -> None:
        if self.key not in message.keys:
            return
        row = row_of(self, self.key)
        if row is None or row == self._row:
            return
        for tab in self._all_tabs():
            tab.row_changed(self._row, row)
        self._row = row
        self._show_title()
        self._reload_soon()

    @on(ConnectionChanged)
    def _connection_changed(self, message: ConnectionChanged) -> None:
        if message.came_back:
            self._line_is_back()

    @on(AgentChanged)
    def _agent_changed(self, message: AgentChanged) -> None:
        if message.up:
            self._line_is_back()

    def _line_is_back(self) -> None:
        for tab in self._all_tabs():
            tab.line_is_back()
        self._reload_soon()

    def _reload_soon(self) -> None:
        """Loads the tab on screen again if it is outdated, at most every `_RELOAD_EVERY`."""
        if not self.active_tab.outdated or self._reload_later is not None:
            return
        wait = self._reloaded + _RELOAD_EVERY - time.monotonic()
        if wait <= 0:
            self._reload_now()
        else:
            self._reload_later = self.set_timer(wait, self._reload_now)

    def _reload_now(self) -> None:
        self._reload_later = None
        self._reloaded = time.monotonic()
        if self.active_tab.outdated:
            self.active_tab.reload()

    def _all_tabs(self) -> list[DetailsTab]:
        return [self._tab(name) for name in TABS]

    def _tab(self, name: str) -> DetailsTab:
        return self.query_one(f"#tab-{name}", DetailsTab)

    def _show_title(self) -> None:
        row = self._row
        name = self.query_one("#details-name", Static)
        status = self.query_one("#details-status", Static)
        if row is None:
            name.update(Text(f"Job {inert(self.key, 100)} is not in the list any more"))
            return
        name.update(Text(inert(job_title(row), 200)))
        place = f" {row.queue_position}" if row.queue_position is not None else ""
        status.update(Text(f"{row.status.value}{place}"))
        status.set_classes(f"-{row.status.value.lower().replace('_', '-')}")
        self.query_one("#details-id", Static).update(Text(inert(row.job_id or "no job id yet", 64)))
