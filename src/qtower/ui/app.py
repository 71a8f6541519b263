"""The app: owns the link to the agent and the board, and tells the screens what has changed."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
from collections.abc import Callable
from time import time
from typing import Any, ClassVar, Protocol

from textual import events
from textual.command import Provider
from textual.screen import Screen

from qtower import model
from qtower.agent.link import LinkState
from qtower.text import inert_lines
from qtower.ui import actions, styles
from qtower.ui.board import Board
from qtower.ui.commands import ActionCommands, Palette
from qtower.ui.header import Standing, as_of_a_new_agent
from qtower.ui.messages import AgentChanged, ConnectionChanged, RowsChanged, SendingChanged
from qtower.ui.screens.help import HelpScreen
from qtower.ui.screens.leaving import LeaveScreen, end_sending, is_under_way
from qtower.ui.screens.monitor import MonitorScreen
from qtower.ui.signs import Signs, choose_signs
from qtower.ui.suspending import Suspension
from qtower.ui.tower import Tower

_FLUSH_SECONDS = 1 / 15
"""Rows that come within it reach the screens as one change."""

_SETTLE_ROWS = 2000

_PASTED = 20_000
"""At most so many characters are pasted at once."""

_FOREIGN = re.compile(r"@font-face\s*\{.*?\}|<!--.*?-->", re.DOTALL)
"""Rich's SVGs fetch their font from a server; a font of the machine does as well."""


class Link(Protocol):
    """What the app needs of `qtower.agent.link.AgentLink`."""

    async def start(self) -> None: ...

    async def ask(self, request: model.Request, timeout: float | None = None) -> Any: ...

    async def close(self) -> None: ...


Connect = Callable[[Callable[[model.Event], None], Callable[[LinkState], None]], Link]
"""Makes the link, given who hears its events and its states."""


class TowerApp(Tower, inherit_bindings=False):
    """The control tower.

    Args:
        connect: Makes the link to the agent; tests give one to an agent of their own.
        account_name: The account to name until the agent has told of its connection.
        clock: Seconds since 1970 UTC, for ages.
        read_only: Nothing that changes a job is offered; else the agent says whether it is.
    """

    TITLE = "qtower"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    BINDINGS = actions.bindings(actions.Scope.APP)

    def __init__(
        self,
        connect: Connect,
        account_name: str,
        *,
        clock: Callable[[], float] = time,
        read_only: bool = False,
    ) -> None:
        super().__init__(css_path=[*styles.sheets()])
        self.board = Board()
        self._read_only = read_only
        self.standing = Standing(account_name, read_only=read_only)
        self.sending: list[model.UnsentSet] = []
        self.clock = clock
        self._link = connect(self._hear, self._hear_state)
        self._touched: set[str] = set()
        self._flush_handle: asyncio.TimerHandle | None = None
        self._flushed = 0.0
        self._asked_to_leave = False
        self._suspension = Suspension(self)
        self._settled_rows = 0
        self._restarts = 0  # of the agent that told of the connection

    @property
    def signs(self) -> Signs:
        """The signs that this terminal can show."""
        # Textual draws on stderr.
        encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"
        return choose_signs(encoding, os.environ.get("TERM", ""))

    @property
    def crash(self) -> Exception | None:
        """What ended the app, if it was an error."""
        return self._exception

    def get_default_screen(self) -> Screen[Any]:
        """The monitor is the bottom of the stack."""
        return MonitorScreen(self.board, self.clock, self.signs)

    async def on_mount(self) -> None:
        if not self.is_headless:
            self._suspension.install()
        await self._link.start()

    async def on_unmount(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        await self._link.close()

    # -- for the screens --

    async def ask(self, request: model.Request, timeout: float | None = None) -> Any:
        return await self._link.ask(request, timeout)

    def action_help(self) -> None:
        """Shows the keys and signs."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.signs, self.screen, read_only=self.read_only))

    async def action_quit(self) -> None:
        """Leaves; asks first while jobs are still being sent, because that ends with the agent."""
        going = [each for each in self.sending if is_under_way(each)]
        if going and not self._asked_to_leave and not self.read_only:
            self._asked_to_leave = True
            self.push_screen(LeaveScreen(going), self._leave)
        else:
            self.exit()

    def action_command_palette(self) -> None:
        """Shows the palette."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def action_suspend_process(self) -> None:
        """Gives the terminal back to the shell until it continues us."""
        self._suspension.suspend()

    def _leave(self, steer: model.Steer | None) -> None:
        self._asked_to_leave = False
        if steer is not None:
            self.run_worker(self._end_sending(steer), group="leave")

    async def _end_sending(self, steer: model.Steer) -> None:
        if await end_sending(self, steer):
            self.exit()

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """The screen as an SVG that loads nothing from the network when it is looked at."""
        return _FOREIGN.sub("", super().export_screenshot(title=title, simplify=simplify))

    async def on_event(self, event: events.Event) -> None:
        """What is pasted loses what cannot be seen: every field shows what it holds."""
        if isinstance(event, events.Paste):
            event.text = inert_lines(event.text, _PASTED)
        await super().on_event(event)

    # -- what the agent tells --

    def _hear(self, event: model.Event) -> None:
        if isinstance(event, model.Rows):
            touched = self.board.apply(event.rows, event.gone)
            self._touched = self._touched | touched if self._touched else touched
            self._settle_memory()
            self._schedule_flush()
        elif isinstance(event, model.Connected):
            known = self.standing.connection
            before = known.link if known else None
            self.standing = Standing(
                event.connection.account,
                event.connection,
                self.standing.agent_up,
                self.standing.agent_detail,
                self.standing.agent_since,
                read_only=self._read_only or event.connection.read_only,
            )
            self._tell(lambda: ConnectionChanged(event.connection, before))
        elif isinstance(event, model.Sending):
            self.sending = event.sets
            self._tell(SendingChanged)
        else:
            self.call_later(self.say, event.level, event.title, event.text)

    def _hear_state(self, state: LinkState) -> None:
        known = self.standing
        connection = known.connection
        if state.up and state.restarts != self._restarts:
            self._restarts = state.restarts
            if connection is not None:
                connection = as_of_a_new_agent(connection, self.clock())
        self.standing = Standing(
            known.account,
            connection,
            state.up,
            "" if state.up else state.detail,
            known.agent_since if known.agent_up == state.up else self.clock(),
            read_only=known.read_only,
        )
        self._tell(lambda: AgentChanged(state.up, state.detail))

    def _settle_memory(self) -> None:
        """Takes the rows that have come to stay out of what the garbage collector looks through.

        A hundred thousand rows cost it a tenth of a second, in which no key is answered.
        """
        if len(self.board.rows) - self._settled_rows >= _SETTLE_ROWS:
            self._settled_rows = len(self.board.rows)
            gc.freeze()

    @property
    def news_waits(self) -> bool:
        """True if rows have come that the screens were not told of yet."""
        return self._flush_handle is not None

    def _schedule_flush(self) -> None:
        if self._flush_handle is None:
            loop = asyncio.get_running_loop()
            wait = self._flushed + _FLUSH_SECONDS - loop.time()
            if wait > 0:
                self._flush_handle = loop.call_later(wait, self._flush_rows)
            else:
                self._flush_rows()

    def _flush_rows(self) -> None:
        loop = asyncio.get_running_loop()
        if self.terminal_is_behind:
            self._flush_handle = loop.call_later(_FLUSH_SECONDS, self._flush_rows)
            return
        self._flush_handle = None
        self._flushed = loop.time()
        keys, self._touched = self._touched, set()
        self._tell(lambda: RowsChanged(keys))

    def _tell(
        self, make: Callable[[], RowsChanged | ConnectionChanged | AgentChanged | SendingChanged]
    ) -> None:
        """Posts a message to every open screen: those below show through, or show again later."""
        for screen in self.screen_stack:
            screen.post_message(make())

    # -- the end --

    def _fatal_error(self) -> None:
        """Ends without Textual's traceback, whose local variables may hold anything."""
        self._close_messages_no_wait()
