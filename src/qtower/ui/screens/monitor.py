"""The monitor: header, job list, filter and footer; what is done to jobs starts here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Label, Static

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
from qtower.ui.painting.below import shine_through
from qtower.ui.screens.cancel import cancel_job, cancel_marked, cancel_set
from qtower.ui.sending import sending_words
from qtower.ui.signs import Signs
from qtower.ui.situation import situation, too_small
from qtower.ui.widgets.field import Field

if TYPE_CHECKING:
    from qtower.ui.app import TowerApp

LOW_HEIGHT = 20
"""Terminals lower than it have a header of one line, and notices above the list."""

_BATCH_SECONDS = 0.02
_TYPING_SECONDS = 0.1
"""So long after the last letter the filter is followed."""


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
        self._jobs = JobList(
            board, clock=clock, signs=signs, stale=self._stale, behind=self._behind, id="jobs"
        )
        self._gaze = Gaze(self._look, self.set_timer)
        self._typing: Timer | None = None
        self._header = Header(clock=clock, id="header")
        self._footer = Footer(id="footer")
        self._situation = ""
        self._without_target: dict[str, Callable[[], None]] = {
            "submit": self._submit,
            "samples": self._samples,
            "refresh": self._read_all,
            "filter": self._filter,
            "clear_filter": self._clear_filter,
            "unsent": self._show_unsent,
        }

    def compose(self) -> ComposeResult:
        """From top to bottom; of list and situation one is shown."""
        yield self._header
        yield ColumnTitles(self._jobs, id="titles")
        yield self._jobs
        yield Static(id="situation", markup=False)
        with Horizontal(id="filter-bar"):
            yield Label("filter:", id="filter-label", markup=False)
            yield Field(id="filter", compact=True, placeholder="words that a job must hold")
        yield self._footer
        yield Static(id="too-small", markup=False)

    def _compositor_refresh(self) -> None:
        if self.app._batch_count:
            # Textual would draw, and throw away what it drew: a part that is only ever sent when
            # it differs would stay blank. What is to be drawn is kept until the batch is over.
            self.set_timer(_BATCH_SECONDS, self._compositor_refresh)
        elif not shine_through(self):
            super()._compositor_refresh()

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)
        self._board_changed()

    def on_resize(self, event: events.Resize) -> None:
        sentence = too_small(event.size.width, event.size.height)
        self.query_one("#too-small", Static).update(sentence)
        self.set_class(bool(sentence), "too-small")
        self.set_class(event.size.height < LOW_HEIGHT, "low")

    # -- news --

    def _tick(self) -> None:
        if self.is_current or self.app.screen.is_modal:
            self._header.refresh_words()
            self._jobs.repaint()
            self._tell_footer()

    @on(RowsChanged)
    @on(JobList.Pursued)
    def _board_changed(self) -> None:
        self._jobs.board_changed()
        self._tell_footer()
        self._standing_changed()

    @on(JobList.MarksChanged)
    def _tell_footer(self) -> None:
        board = self._board
        count, hidden = len(board.marks), board.hidden_marks
        note = f"{count} marked" if count else ""
        note = f"{note}, {hidden} hidden" if hidden else note
        self._footer.tell(not board.rows, note, read_only=self.app.read_only)

    def _stale(self, ended: bool, confirmed: float | None, now: float) -> bool:
        standing = self.app.standing
        return is_stale(ended, confirmed, standing.connection, now)

    def _behind(self) -> bool:
        return self.app.terminal_is_behind

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

    @on(SendingChanged)
    def _sending_changed(self) -> None:
        self._header.tell_sending(sending_words(self.app.sending))

    def _show_unsent(self) -> None:
        from qtower.ui.screens.unsent import UnsentScreen

        self.app.push_screen(UnsentScreen())

    def on_screen_resume(self) -> None:
        self._board_changed()

    @on(JobList.LaidOut)
    def _columns_moved(self) -> None:
        self.query_one("#titles").refresh()

    @on(ColumnTitles.Chosen)
    def _title_chosen(self, event: ColumnTitles.Chosen) -> None:
        self._jobs.sort_by(event.column)

    # -- actions --

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Read-only, the keys of what changes jobs are not there."""
        name = parameters[0] if action == "act" and parameters else ""
        known = actions.BY_ID.get(str(name))
        return not (known is not None and known.changes and self.app.read_only)

    @on(Footer.Chosen)
    def _footer_chosen(self, event: Footer.Chosen) -> None:
        self.call_action(actions.BY_ID[event.action])

    def call_action(self, action: actions.Action) -> None:
        """Does an action of the table wherever it belongs."""
        if action.scope is actions.Scope.JOBS:
            self.action_act(action.id)
        elif action.scope is actions.Scope.APP:
            self.app.call_later(self.app.run_action, action.id)
        else:
            self._jobs.call_later(self._jobs.run_action, actions.call_of(action))

    @on(JobList.Opened)
    def _line_opened(self) -> None:
        self.action_act("open")

    def action_act(self, name: str) -> None:
        """Does the action `name` of the table to what is under the cursor, or says why not."""
        action, entry = actions.BY_ID[name], self._jobs.choose()
        on_set = entry is not None and entry.is_set
        on_job = entry is not None and not entry.is_set
        if action.changes and self.app.read_only:
            self.app.say("info", action.title, "qtower is read-only here: nothing is changed.")
            return
        if name == "cancel" and self._board.marks:
            cancel_marked(self.app)
            return
        if why_not := actions.refusal(action, on_job, on_set, empty=not self._board.rows):
            self.app.say("info", action.title, why_not)
            return
        if action.needs in (actions.Needs.JOB, actions.Needs.JOB_OR_SET):
            assert entry is not None
            self._act_on(name, entry)
        else:
            self._without_target[name]()

    def _act_on(self, name: str, entry: Entry) -> None:
        if name == "coverage":
            self._show_coverage(entry)
        elif name == "cancel" and entry.is_set:
            cancel_set(self.app, entry.set_id)
        elif name == "cancel":
            cancel_job(self.app, entry.key)
        elif entry.is_set:
            self._jobs.action_toggle_fold()
        else:
            # Imported late: the first paint does not wait for what it does not show.
            from qtower.ui.screens.details import DetailsScreen

            self.app.push_screen(DetailsScreen(entry.key, "summary" if name == "open" else name))

    def _show_coverage(self, entry: Entry) -> None:
        from qtower.ui.screens.coverage import CoverageScreen

        if entry.set_id:
            self.app.push_screen(CoverageScreen(entry.set_id), self._submitted)
        else:
            self.app.say("info", "What a set covers", "This job belongs to no set.")

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
    def _filter_changed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING_SECONDS, self._follow_filter)

    def _follow_filter(self) -> None:
        self._board.filter_text = self.query_one("#filter", Input).value
        self._jobs.pursue()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.set_class(bool(self.query_one("#filter", Input).value), "filtering")
        self._follow_filter()
        self._jobs.focus()
