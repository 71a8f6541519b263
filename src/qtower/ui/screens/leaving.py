"""Quitting while jobs are being sent: in the background, later, or not now."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from qtower.errors import QtowerError
from qtower.fitting import cut
from qtower.model import Steer, SteerSet, UnsentSet
from qtower.ui import words
from qtower.ui.actions import BY_ID, Scope, bindings, key_word
from qtower.ui.screens.acting import Acting
from qtower.ui.tower import Tower

_NAMED = 4
_STEER_SECONDS = 3.0
"""So long the agent has to stop or hand over what it sends, before qtower leaves."""

_ANSWERS = {
    "stay": "Stay",
    "background": "Quit, and send in the background",
    "stop": "Quit, and keep the rest for later",
}
"""The buttons, each for an action of the table."""


def is_under_way(each: UnsentSet) -> bool:
    """True if the set is being sent by this agent, and would not be without it."""
    return each.state in ("sending", "paused")


async def end_sending(app: Tower, steer: Steer) -> bool:
    """Hands over, or stops, what is being sent here; false, and said, if it was not handed over."""
    for each in filter(is_under_way, list(app.sending)):
        try:
            await app.ask(SteerSet(set_id=each.set_id, steer=steer), _STEER_SECONDS)
        except QtowerError as error:
            if steer is Steer.BACKGROUND:
                app.say("error", error.title, f"{error} It was not handed over.")
                return False
            break  # what is not sent when the agent ends is kept all the same
    return True


class LeaveScreen(Acting, ModalScreen[Steer | None]):
    """Asks what becomes of the sets that are being sent; None is: stay."""

    SCOPES = (Scope.LEAVE,)
    BINDINGS = bindings(*SCOPES, dialog=True)

    def __init__(self, sets: list[UnsentSet]) -> None:
        super().__init__()
        self._sets = sets

    def compose(self) -> ComposeResult:
        """The question, what is being sent, and three buttons."""
        unsent = sum(each.unsent for each in self._sets)
        facts = [
            f"{cut(each.name, 40)}: {each.sent} of {words.jobs(each.jobs)} sent"
            for each in self._sets[:_NAMED]
        ]
        if len(self._sets) > _NAMED:
            facts.append(f"and {len(self._sets) - _NAMED} sets more")
        with Vertical(id="confirm"):
            question = f"{words.jobs(unsent)} {'is' if unsent == 1 else 'are'} still being sent."
            yield Static(question, id="confirm-question", markup=False)
            yield Static("\n".join(facts), id="confirm-facts", markup=False)
            for answer, label in _ANSWERS.items():
                key = key_word(BY_ID[f"leave.{answer}"].keys[0])
                yield Button(f"{label} ({key})", id=answer, compact=True)

    def on_mount(self) -> None:
        self.query_one("#stay", Button).focus()

    async def on_button_pressed(self, event: Button.Pressed) -> None:
        await self.call_action(BY_ID[f"leave.{event.button.id}"])

    def action_answer(self, steer: str) -> None:
        """A letter or a button was pressed."""
        self.dismiss(Steer(steer) if steer else None)
