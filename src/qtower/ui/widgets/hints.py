"""The line of keys at the bottom of a screen, made from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import events
from textual.widget import Widget

from qtower.ui.actions import BY_ID, help_hint, hints
from qtower.ui.hint_line import Hint, hints_that_fit

if TYPE_CHECKING:
    from qtower.ui.screens.acting import Acting

_GAP = 3


class Hints(Widget):
    """The keys that its screen has at the moment; a click on one does what the key does."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"hints--key"}

    def render(self) -> Text:
        key_style = self.get_component_rich_style("hints--key", partial=True)
        line = Text(no_wrap=True)
        for hint in self._hints():
            line.append(" " * (hint.x - line.cell_len))
            line.append(hint.key, style=key_style)
            line.append(f" {hint.word}")
        return line

    async def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        for hint in self._hints():
            if place is not None and hint.x <= place.x < hint.end:
                await self._screen.call_action(BY_ID[hint.action])

    @property
    def _screen(self) -> Acting:
        return cast("Acting", self.screen)

    def _hints(self) -> list[Hint]:
        screen = self._screen
        offered = [*hints(screen.scopes, screen.app.read_only), help_hint(screen.scopes)]
        return hints_that_fit(offered, self.content_size.width, start=0, gap=_GAP)
