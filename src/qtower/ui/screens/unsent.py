"""Jobs that are not on the server yet: what is sent, what waits, and what a person wants of it."""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from qtower.fitting import cut
from qtower.model import Steer, SteerSet, UnsentSet
from qtower.text import inert
from qtower.ui import times, words
from qtower.ui.actions import BY_ID, Needs, Scope, bindings
from qtower.ui.messages import SendingChanged
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.widgets.choice_list import ChoiceList
from qtower.ui.widgets.hints import Hints

_NOTHING = "Every job has reached the server, or was given up: nothing is unsent."
_STATES = {
    "offered": "not being sent",
    "sending": "being sent",
    "paused": "paused",
    "background": "being sent in the background",
}


class UnsentScreen(Acting, Screen[None]):
    """One entry for each set that is not wholly sent."""

    AUTO_FOCUS = "#unsent"
    SCOPES = (Scope.UNSENT, Scope.CHOICES)
    BINDINGS = bindings(Scope.UNSENT)

    def compose(self) -> ComposeResult:
        """The sets, what is said of the whole, and the keys."""
        yield Static("Unsent jobs", id="unsent-title", markup=False)
        yield Static(id="unsent-note", markup=False)
        yield ChoiceList(id="unsent", markup=False)
        yield Hints(id="unsent-hints")

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

    def has(self, needs: Needs) -> bool:
        return needs is not Needs.UNSENT_SET or self._chosen() is not None

    @on(OptionList.OptionSelected)
    async def _clicked(self) -> None:
        await self.call_action(BY_ID["unsent.send"])

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
