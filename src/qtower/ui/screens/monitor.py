"""The monitor: header, job list, filter and footer; what is done to jobs starts here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Set

from textual import events, on
from textual.app import ComposeResult
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from qtower import model
from qtower.errors import QtowerError
from qtower.ui import actions, words
from qtower.ui.board import Board
from qtower.ui.footer import Footer
from qtower.ui.freshness import is_stale
from qtower.ui.header import Header
from qtower.ui.joblist import ColumnTitles, JobList
from qtower.ui.listing import Entry
from qtower.ui.looking import Gaze
from qtower.ui.messages import AgentChanged, ConnectionChanged, RowsChanged, SendingChanged
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.cancel import cancel_job, cancel_marked, cancel_set
from qtower.ui.screens.drawing import Drawing
from qtower.ui.sending import sending_words, sent_words
from qtower.ui.signs import Signs
from qtower.ui.situation import situation, too_small
from qtower.ui.tower import LOW_HEIGHT
from qtower.ui.widgets.filter_bar import FilterBar


class MonitorScreen(Acting, Drawing, Screen[None]):
    """The list of all jobs.

    Args:
        board: What to list.
        clock: Seconds since 1970 UTC, for ages.
        signs: Signs that the terminal can show.
    """

    SCOPES = actions.JOB_LIST
    BINDINGS = actions.bindings(actions.Scope.JOBS)
    AUTO_FOCUS = "#jobs"

    def __init__(self, board: Board, clock: Callable[[], float], signs: Signs) -> None:
        super().__init__()
        self._board = board
        self._jobs = JobList(
            board,
            clock=clock,
            signs=signs,
            stale=self._stale,
            behind=lambda: self.app.terminal_is_behind,
            id="jobs",
        )
        self._gaze = Gaze(self._look, self.set_timer)
        self._header = Header(clock=clock, id="header")
        self._footer = Footer(id="footer")
        self._situation = ""

    def compose(self) -> ComposeResult:
        """From top to bottom; of list and situation one is shown."""
        yield self._header
        yield ColumnTitles(self._jobs, id="titles")
        yield self._jobs
        yield Static(id="situation", markup=False)
        yield FilterBar(id="filter-bar")
        yield self._footer
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)
        self.await_jobs()
        self._board_changed()

    def on_resize(self, event: events.Resize) -> None:
        sentence = too_small(event.size.width, event.size.height)
        self.query_one("#too-small", Static).update(sentence)
        self.set_class(bool(sentence), "too-small")
        self.set_class(event.size.height < LOW_HEIGHT, "low")

    def drawing_begins(self) -> None:
        self._standing_changed()

    # -- news --

    def _tick(self) -> None:
        if self.is_current or self.app.screen.is_modal:
            self._header.refresh_words()
            self._jobs.repaint()
            self._tell_footer()

    @on(RowsChanged)
    def _rows_changed(self, event: RowsChanged) -> None:
        self._board_changed(event.keys)

    @on(JobList.Pursued)
    def _pursued(self) -> None:
        self._board_changed()

    def _board_changed(self, touched: Set[str] | None = None) -> None:
        self._jobs.board_changed(touched)
        self._tell_footer()
        self._standing_changed()

    @on(JobList.MarksChanged)
    def _tell_footer(self) -> None:
        board = self._board
        note = words.marked(len(board.marks), board.hidden_marks)
        self._footer.tell(not board.rows, note, read_only=self.app.read_only)

    def _stale(self, ended: bool, confirmed: float | None, now: float) -> bool:
        return is_stale(ended, confirmed, self.app.standing.connection, now)

    @on(JobList.Looked)
    def _looked(self) -> None:
        self._gaze.rest_on(self._jobs.visible_entries, self._jobs.cursor)

    def _look(self, look: model.Look) -> None:
        async def tell() -> None:
            # It only says what to read first: an agent that cannot hear it reads all the same.
            with contextlib.suppress(QtowerError):
                await self.app.ask(look)

        self.run_worker(tell(), group="look")

    @on(AgentChanged)
    def _agent_changed(self, event: AgentChanged) -> None:
        if event.up:
            self._gaze.forget()

    @on(ConnectionChanged)
    @on(AgentChanged)
    @on(JobList.Pursuing)
    def _standing_changed(self) -> None:
        board, standing = self._board, self.app.standing
        matching, doing = board.shown.matching, board.doing
        self._header.tell(standing, board.counts, matching if board.filter_text else None, doing)
        # That nothing matches is not known before everything was looked at.
        unknown = doing == "filtering"
        text = situation(standing, len(board.rows), matching or unknown, board.filter_text)
        if self.awaits_jobs:
            if board.rows or standing.connection is not None or not standing.agent_up:
                self.begin_to_draw()
            return
        # An update lays out the screen anew, which sends the scrollbar again: a line a second.
        if text != self._situation:
            self._situation = text
            self.query_one("#situation", Static).update(text)
        self.set_class(bool(text), "nothing")

    @on(SendingChanged)
    def _sending_changed(self) -> None:
        self._header.tell_sending(sending_words(self.app.sending))

    def on_screen_resume(self) -> None:
        self._board_changed()

    @on(JobList.LaidOut)
    def _columns_moved(self) -> None:
        self.query_one("#titles").refresh()

    @on(ColumnTitles.Chosen)
    def _title_chosen(self, event: ColumnTitles.Chosen) -> None:
        self._jobs.sort_by(event.column)

    # -- actions --

    def target_of(self, action: actions.Action) -> DOMNode:
        return self if action.scope is actions.Scope.JOBS else self._jobs

    def why_not(self, action: actions.Action) -> str:
        """Whether it applies to what is under the cursor, which from now on stays there."""
        entry = self._jobs.stay()
        on_marks = action.id == "cancel" and self._board.marks
        if action.scope is not actions.Scope.JOBS or on_marks:
            return ""
        on_set = entry is not None and entry.is_set
        on_job = entry is not None and not entry.is_set
        return actions.refusal(action, on_job, on_set, empty=not self._board.rows)

    @on(Footer.Chosen)
    async def _footer_chosen(self, event: Footer.Chosen) -> None:
        await self.call_action(actions.BY_ID[event.action])

    @on(JobList.Opened)
    async def _line_opened(self) -> None:
        await self.action_act("open")

    def _entry(self) -> Entry:
        entry = self._jobs.choose()
        assert entry is not None, "why_not was asked before"
        return entry

    def action_open(self) -> None:
        """Shows the job, or folds or unfolds the set."""
        if self._entry().is_set:
            self._jobs.action_toggle_fold()
        else:
            self.action_show("summary")

    def action_show(self, tab: str) -> None:
        """Shows a tab of the job's details."""
        # Imported when it is called for, as every other screen: the first paint does not wait
        # for what it does not show.
        from qtower.ui.screens.details import DetailsScreen

        self.app.push_screen(DetailsScreen(self._entry().key, tab))

    def action_cancel(self) -> None:
        """Asks, and cancels the marked jobs, else the job or the unfinished ones of the set."""
        if self._board.marks:
            cancel_marked(self.app)
        elif (entry := self._entry()).is_set:
            cancel_set(self.app, entry.set_id)
        else:
            cancel_job(self.app, entry.key)

    def action_unsent(self) -> None:
        """Shows the sets that are not wholly sent."""
        from qtower.ui.screens.unsent import UnsentScreen

        self.app.push_screen(UnsentScreen())

    def action_coverage(self) -> None:
        """Shows which experiments of the set are there."""
        from qtower.ui.screens.coverage import CoverageScreen

        if set_id := self._entry().set_id:
            self.app.push_screen(CoverageScreen(set_id), self._submitted)
        else:
            self.app.say("info", "What a set covers", "This job belongs to no set.")

    def action_submit(self) -> None:
        """Shows the form."""
        from qtower.ui.screens.submit import SubmitScreen

        self.app.push_screen(SubmitScreen(), self._submitted)

    def action_samples(self) -> None:
        """Sends the sample circuits."""

        async def send() -> None:
            self._submitted(await self.app.ask(model.SubmitSamples()))

        self.app.attempt(send(), group="samples")

    def _submitted(self, sent: model.Submitted | None) -> None:
        if sent is None:
            return
        self.app.say("info", "Submit", sent_words(sent))
        self._jobs.go_to_set(sent.set_id)

    def action_refresh(self) -> None:
        """Reads all jobs now."""

        async def read() -> None:
            connection: model.Connection = await self.app.ask(model.Refresh())
            if connection.link is model.Link.LIVE:
                self.app.say("info", "Refresh", "All jobs were read.")

        self.app.attempt(read(), group="refresh")

    # -- filter --

    def action_filter(self) -> None:
        """Asks which jobs are to be listed."""
        self.query_one(FilterBar).type_in()

    def action_clear_filter(self) -> None:
        """Lists all jobs again."""
        self.query_one(FilterBar).clear()

    @on(FilterBar.Changed)
    def _follow_filter(self, event: FilterBar.Changed) -> None:
        self._board.filter_text = event.text
        self._jobs.pursue()

    @on(FilterBar.Left)
    def _leave_filter(self) -> None:
        self._jobs.focus()
