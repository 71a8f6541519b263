"""Quitting while jobs are being sent: in the background, later, or not now."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from qtower.fitting import cut
from qtower.model import Steer, UnsentSet
from qtower.ui import words

_NAMED = 4


class LeaveScreen(ModalScreen[Steer | None]):
    """Asks what becomes of the sets that are being sent; None is: stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,escape", "answer('')", "Stay", id="leave_no", tooltip="Leave it as it is."),
        Binding("b", "answer('background')", "Background", id="leave_background"),
        Binding("s", "answer('stop')", "Stop", id="leave_stop"),
        Binding(
            "left,right,up,down,h,l,j,k",
            "app.focus_next",
            "Other answer",
            id="leave_other",
            tooltip="Move between the answers.",
        ),
    ]

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
            yield Button("Stay (n)", id="stay", compact=True)
            yield Button("Quit, and send in the background (b)", id="background", compact=True)
            yield Button("Quit, and keep the rest for later (s)", id="stop", compact=True)

    def on_mount(self) -> None:
        self.query_one("#stay", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_answer("" if event.button.id == "stay" else str(event.button.id))

    def action_answer(self, steer: str) -> None:
        """A letter or a button was pressed."""
        self.dismiss(Steer(steer) if steer else None)
