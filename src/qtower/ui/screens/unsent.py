"""Jobs that are not on the server yet: what is sent, what waits, and what a person wants of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from qtower.fitting import cut
from qtower.model import Steer, SteerSet, UnsentSet
from qtower.text import inert
from qtower.ui import times, words
from qtower.ui.messages import SendingChanged
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.widgets.hints import Hints

if TYPE_CHECKING:
    from qtower.ui.app import TowerApp

_NOTHING = "Every job has reached the server, or was given up: nothing is unsent."
_STATES = {
    "offered": "not being sent",
    "sending": "being sent",
    "paused": "paused",
    "background": "being sent in the background",
}
_HINTS = (
    ("s", "send"),
    ("p", "pause"),
    ("x", "stop"),
    ("l", "leave it"),
    ("b", "background"),
    ("a", "always"),
    ("Esc", "back"),
)
_CHANGES = ("steer", "pause", "leave")


class UnsentScreen(Screen[None]):
    """One entry for each set that is not wholly sent."""

    AUTO_FOCUS = "#unsent"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Back to the jobs", id="unsent.back"),
        Binding("s,enter", "steer('send')", "Send the rest", id="unsent.send"),
        Binding("a", "steer('always')", "Send, also after a restart", id="unsent.always"),
        Binding("b", "steer('background')", "Send in the background", id="unsent.background"),
        Binding("p", "pause", "Pause, or go on", id="unsent.pause"),
        Binding("x", "steer('stop')", "Stop, and keep the rest", id="unsent.stop"),
        Binding("l", "leave", "Give the rest up", id="unsent.leave"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]
    app: TowerApp

    def compose(self) -> ComposeResult:
        """The sets, what is said of the whole, and the keys."""
        yield Static("Unsent jobs", id="unsent-title", markup=False)
        yield Static(id="unsent-note", markup=False)
        yield OptionList(id="unsent", markup=False)
        yield Hints(_HINTS[-1:] if self.app.read_only else _HINTS, id="unsent-hints")

    def on_mount(self) -> None:
        self._show()

    @on(SendingChanged)
    def _show(self) -> None:
        sets = self.app.sending
        note = "Nothing is sent twice: the server is asked first what it has." if sets else _NOTHING
        self.query_one("#unsent-note", Static).update(note)
        listed = self.query_one("#unsent", OptionList)
        chosen = self._chosen()
        listed.set_options(Option(self._entry(each), id=each.set_id) for each in sets)
        ids = [each.set_id for each in sets]
        if ids:
            known = chosen is not None and chosen.set_id in ids
            listed.highlighted = ids.index(chosen.set_id) if chosen and known else 0

    def _entry(self, each: UnsentSet) -> Text:
        age = times.age(max(0.0, self.app.clock() - each.created))
        refused = f", {each.refused} of them refused" if each.refused else ""
        always = "; goes on after a restart" if each.always else ""
        waits = f"; {inert(each.waits_for, 200)}" if each.waits_for else ""
        return Text(
            f"{cut(each.name, 40)}  {inert(each.offer, 200)}\n"
            f"  {_STATES.get(each.state, inert(each.state, 40))}{waits}{always}\n"
            f"  {words.jobs(each.unsent)} unsent{refused}; {cut(each.backend, 30)}, {age} ago"
        )

    def _chosen(self) -> UnsentSet | None:
        option = self.query_one("#unsent", OptionList).highlighted_option
        sets = self.app.sending
        return next((each for each in sets if option and each.set_id == option.id), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Read-only, what is unsent is only looked at."""
        return not (action in _CHANGES and self.app.read_only)

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        if not self.app.read_only:
            self.action_steer("send")

    def action_down(self) -> None:
        """To the next set."""
        self.query_one("#unsent", OptionList).action_cursor_down()

    def action_up(self) -> None:
        """To the set above."""
        self.query_one("#unsent", OptionList).action_cursor_up()

    def action_steer(self, steer: str) -> None:
        """Tells the agent what is wanted of the chosen set."""
        if (chosen := self._chosen()) is not None:
            self._ask(chosen, Steer(steer))

    def action_pause(self) -> None:
        """Pauses the sending, or goes on."""
        if (chosen := self._chosen()) is not None:
            self._ask(chosen, Steer.SEND if chosen.state == "paused" else Steer.PAUSE)

    def action_leave(self) -> None:
        """Asks, and gives up what was not sent of the chosen set."""
        chosen = self._chosen()
        if chosen is None:
            return
        facts = [
            f"set      {inert(chosen.name, 60)}",
            f"unsent   {words.jobs(chosen.unsent)} of {chosen.jobs}",
            "What is kept of them is removed; the others go on.",
        ]
        question = ConfirmScreen("Give up what was not sent?", facts, "Yes, give up", "No, keep it")
        self.app.push_screen(question, lambda yes: self._ask(chosen, Steer.LEAVE) if yes else None)

    def _ask(self, chosen: UnsentSet, steer: Steer) -> None:
        async def ask() -> None:
            await self.app.ask(SteerSet(set_id=chosen.set_id, steer=steer))

        self.app.attempt(ask(), group="steer")
