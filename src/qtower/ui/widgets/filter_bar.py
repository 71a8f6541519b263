"""The line below the list in which a person types which jobs are to be listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual import on
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Label

from qtower.ui.widgets.field import Field

_TYPING_SECONDS = 0.1
"""So long after the last letter the filter is followed."""


class FilterBar(Horizontal):
    """Is there while one types, and as long as there is a filter."""

    @dataclass
    class Changed(Message):
        """Jobs that hold all words of `text` are to be listed."""

        text: str

    class Left(Message):
        """The keys are for the list again."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._typing: Timer | None = None

    def compose(self) -> Iterator[Widget]:
        """A label, and the line to type in."""
        yield Label("filter:", id="filter-label", markup=False)
        yield Field(id="filter", compact=True, placeholder="words that a job must hold")

    @property
    def _field(self) -> Field:
        return self.query_one(Field)

    def type_in(self) -> None:
        """Appears, and takes the keys."""
        self.add_class("open")
        self._field.focus()

    def clear(self) -> None:
        """Empties it, and leaves it."""
        self._field.value = ""
        self._leave()

    @on(Input.Changed)
    def _value_changed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING_SECONDS, self._tell)

    def _tell(self) -> None:
        self.post_message(self.Changed(self._field.value))

    @on(Input.Submitted)
    def _leave(self) -> None:
        self.set_class(bool(self._field.value), "open")
        self._tell()
        self.post_message(self.Left())
