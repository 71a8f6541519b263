"""The command palette's entries, made from the action table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen

from qtower.ui.actions import (
    MOVING,
    Action,
    Needs,
    Scope,
    key_word,
    keys_there,
    offered,
    scopes_of,
)

if TYPE_CHECKING:
    from qtower.ui.screens.acting import Acting
    from qtower.ui.tower import Tower


class Palette(CommandPalette):
    """Textual's palette, where a key that moves by a page may come before the list is there."""

    def _action_command_list(self, action: str) -> None:
        if self.query_one(CommandList).size.height:
            super()._action_command_list(action)


class ActionCommands(Provider):
    """Every action that can be called from the screen on which the palette was opened."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for action, run in self._callable():
            yield DiscoveryHit(_title(action, self.screen), run, help=action.tooltip)

    async def search(self, query: str) -> Hits:
        """Those whose title resembles `query`."""
        matcher = self.matcher(query)
        for action, run in self._callable():
            title = _title(action, self.screen)
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), run, text=title, help=action.tooltip)

    def _callable(self) -> Iterator[tuple[Action, Callable[[], object]]]:
        app, screen = cast("Tower", self.app), cast("Acting", self.screen)
        scopes = frozenset(scopes_of(screen)) - MOVING
        for action in offered(app.read_only):
            if action.id == "command_palette":
                continue
            if action.needs is Needs.EMPTY_LIST and app.board.rows:
                continue
            if action.scope is Scope.APP:
                yield action, partial(app.run_action, action.id)
            elif action.scope in scopes:
                yield action, partial(screen.call_action, action)


def _title(action: Action, screen: Screen[object]) -> str:
    keys = keys_there(action, scopes_of(screen), screen.is_modal)
    return f"{action.title} ({key_word(keys[0])})" if keys else action.title
