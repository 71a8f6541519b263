"""A question before something that cannot be undone: it names what it hits and focuses No."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from qtower.text import inert


class ConfirmScreen(ModalScreen[bool]):
    """Asks one question; returns True only for a yes.

    Args:
        question: One sentence.
        facts: Lines that name what is meant; may come from anywhere.
        yes: The words on the button that does it.
        no: The words on the button that does not.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm_yes", tooltip="Do it."),
        Binding("n,escape", "answer(False)", "No", id="confirm_no", tooltip="Leave it as it is."),
        Binding(
            "left,right,up,down,h,l",
            "app.focus_next",
            "Other answer",
            id="confirm_other",
            tooltip="Move between the answers.",
        ),
    ]

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
                yield Button(f"{self._no} (n)", id="no")
                yield Button(f"{self._yes} (y)", id="yes", variant="error")

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """A letter was pressed."""
        self.dismiss(yes)
