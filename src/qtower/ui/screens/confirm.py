"""A question before something that cannot be undone: it names what it hits and focuses No."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from qtower.text import inert
from qtower.ui.actions import BY_ID, Scope, bindings, key_word
from qtower.ui.screens.acting import Acting


class ConfirmScreen(Acting, ModalScreen[bool]):
    """Asks one question; returns True only for a yes.

    Args:
        question: One sentence.
        facts: Lines that name what is meant; may come from anywhere.
        yes: The words on the button that does it.
        no: The words on the button that does not.
    """

    SCOPES = (Scope.CONFIRM,)
    BINDINGS = bindings(*SCOPES, dialog=True)

    def __init__(self, question: str, facts: Sequence[str], yes: str, no: str) -> None:
        super().__init__()
        self._question = question
        self._facts = facts
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        """The question, the facts, and two buttons."""
        with Vertical(id="confirm"):
            yield Static(inert(self._question), id="confirm-question", markup=False)
            facts = "\n".join(inert(fact, 300) for fact in self._facts)
            yield Static(facts, id="confirm-facts", markup=False)
            with Horizontal(id="confirm-buttons"):
                yield Button(f"{self._no} ({_key('confirm.no')})", id="no")
                yield Button(f"{self._yes} ({_key('confirm.yes')})", id="yes", variant="error")

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    async def on_button_pressed(self, event: Button.Pressed) -> None:
        await self.call_action(BY_ID[f"confirm.{event.button.id}"])

    def action_answer(self, yes: bool) -> None:
        """A letter was pressed."""
        self.dismiss(yes)


def _key(action: str) -> str:
    return key_word(BY_ID[action].keys[0])
