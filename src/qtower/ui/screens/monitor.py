"""The monitor: header, job list, filter and footer; what is done to jobs starts here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input, Label, Static

from qtower import model
from qtower.ui import actions, words
from qtower.ui.board import Board, Entry
from qtower.ui.footer import Footer
from qtower.ui.header import Header
from qtower.ui.joblist import ColumnTitles, JobList
from qtower.ui.messages import AgentChanged, ConnectionChanged, RowsChanged
from qtower.ui.screens.cancel import cancel_job, cancel_set
from qtower.ui.signs import Signs
from qtower.ui.situation import situation, too_small

if TYPE_CHECKING:
    from qtower.ui.app import TowerApp

_LOW_HEIGHT = 20
"""Terminals lower than it have a header of one line."""


class MonitorScreen(Screen[None]):
    """The list of all jobs.

    Args:
        board: What to list.
        clock: Seconds since 1970 UTC, for ages.
        signs: Signs that the terminal can show.
    """

    BINDINGS = actions.bindings(actions.Scope.JOBS)
    AUTO_FOCUS = "#jobs"
    app: TowerApp

    def __init__(self, board: Board, clock: Callable[[], float], signs: Signs) -> None:
        super().__init__()
        self._board = board
        self._jobs = JobList(board, clock=clock, signs=signs, id="jobs")
        self._header = Header(clock=clock, id="header")
        self._footer = Footer(id="footer")
        self._situation = ""
        self._without_target: dict[str, Callable[[], None]] = {
            "submit": self._submit,
            "samples": self._samples,
            "refresh": self._read_all,
            "filter": self._filter,
            "clear_filter": self._clear_filter,
        }

    def compose(self) -> ComposeResult:
        """From top to bottom; of list and situation one is shown."""
        yield self._header
        yield ColumnTitles(self._jobs, id="titles")
        yield self._jobs
        yield Static(id="situation", markup=False)
        with Horizontal(id="filter-bar"):
            yield Label("filter:", id="filter-label", markup=False)
            yield Input(id="filter", compact=True, placeholder="words that a job must hold")
        yield self._footer
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)
        self._board_changed()

    def on_resize(self, event: events.Resize) -> None:
        sentence = too_small(event.size.width, event.size.height)
        self.query_one("#too-small", Static).update(sentence)
        self.set_class(bool(sentence), "too-small")
        self.set_class(event.size.height < _LOW_HEIGHT, "low")

    # -- news --

    def _tick(self) -> None:
        if self.is_current or self.app.screen.is_modal:
            self._header.refresh_words()
            self._jobs.repaint()

    @on(RowsChanged)
    def _board_changed(self) -> None:
        self._jobs.board_changed()
        self._footer.tell(empty=not self._board.rows)
        self._standing_changed()

    @on(ConnectionChanged)
    @on(AgentChanged)
    def _standing_changed(self) -> None:
        board, standing = self._board, self.app.standing
        matching = board.matching if board.filter_text else None
        self._header.tell(standing, board.counts, matching)
        text = situation(standing, len(board.rows), board.matching, board.filter_text)
        # An update lays out the screen anew, which sends the scrollbar again: a line a second.
        if text != self._situation:
            self._situation = text
            self.query_one("#situation", Static).update(text)
        self.set_class(bool(text), "nothing")

    def on_screen_resume(self) -> None:
        self._board_changed()

    @on(JobList.LaidOut)
    def _columns_moved(self) -> None:
        self.query_one("#titles").refresh()

    # -- actions --

    @on(Footer.Chosen)
    def _footer_chosen(self, event: Footer.Chosen) -> None:
        action = actions.BY_ID[event.action]
        if action.scope is actions.Scope.JOBS:
            self.action_act(action.id)
        elif action.scope is actions.Scope.LIST:
            self._jobs.call_later(self._jobs.run_action, action.id)
        else:
            self.app.call_later(self.app.run_action, action.id)

    @on(JobList.Opened)
    def _line_opened(self) -> None:
        self.action_act("open")

    def action_act(self, name: str) -> None:
        """Does the action `name` of the table to what is under the cursor, or says why not."""
        action, entry = actions.BY_ID[name], self._jobs.choose()
        on_set = entry is not None and entry.is_set
        on_job = entry is not None and not entry.is_set
        if why_not := actions.refusal(action, on_job, on_set, empty=not self._board.rows):
            self.app.say("info", action.title, why_not)
            return
        if action.needs in (actions.Needs.JOB, actions.Needs.JOB_OR_SET):
            assert entry is not None
            self._act_on(name, entry)
        else:
            self._without_target[name]()

    def _act_on(self, name: str, entry: Entry) -> None:
        if name == "cancel" and entry.is_set:
            cancel_set(self.app, entry.set_id)
        elif name == "cancel":
            cancel_job(self.app, entry.key)
        elif entry.is_set:
            self._jobs.action_toggle_fold()
        else:
            # Imported late: the first paint does not wait for what it does not show.
            from qtower.ui.screens.details import DetailsScreen

            self.app.push_screen(DetailsScreen(entry.key, "summary" if name == "open" else name))

    def _submit(self) -> None:
        from qtower.ui.screens.submit import SubmitScreen

        self.app.push_screen(SubmitScreen(), self._submitted)

    def _samples(self) -> None:
        async def send() -> None:
            self._submitted(await self.app.ask(model.SubmitSamples()))

        self.app.attempt(send(), group="samples")

    def _submitted(self, sent: model.Submitted | None) -> None:
        if sent is None:
            return
        verb = "is" if len(sent.keys) == 1 else "are"
        text = f"{sent.name}: {words.jobs(len(sent.keys))} {verb} being sent."
        self.app.say("info", "Submit", text)
        self._jobs.go_to_set(sent.set_id)

    def _read_all(self) -> None:
        async def read() -> None:
            connection: model.Connection = await self.app.ask(model.Refresh())
            if connection.link is model.Link.LIVE:
                self.app.say("info", "Refresh", "All jobs were read.")

        self.app.attempt(read(), group="refresh")

    # -- filter --

    def _filter(self) -> None:
        self.add_class("filtering")
        self.query_one("#filter", Input).focus()

    def _clear_filter(self) -> None:
        self.query_one("#filter", Input).value = ""
        self._leave_filter()

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._board.filter_text = event.value
        self._board_changed()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.set_class(bool(self.query_one("#filter", Input).value), "filtering")
        self._jobs.focus()
