"""Choosing one experiment of a job: by arrow keys, or by typing an index or a part of a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from qtower.text import inert
from qtower.ui.actions import Scope, bindings
from qtower.ui.widgets.choice_list import ChoiceList
from qtower.ui.widgets.field import Field


@dataclass(frozen=True)
class Entry:
    """One experiment as the list shows it."""

    index: int
    name: str
    failed: bool = False


def matching(entries: Sequence[Entry], wanted: str) -> list[Entry]:
    """The entries whose name holds `wanted`; the one of that very index stands first."""
    needle = wanted.strip().casefold()
    if not needle:
        return list(entries)
    exact = [entry for entry in entries if needle == str(entry.index)]
    named = [entry for entry in entries if needle in entry.name.casefold() and entry not in exact]
    return exact + named


def index_words(index: int, number_of_all: int) -> str:
    """Which experiment it is, counted from 0 as everywhere in Qiskit: "Experiment 3 of 0-299"."""
    return f"Experiment {index}" + (f" of 0-{number_of_all - 1}" if number_of_all > 1 else "")


def entry_line(entry: Entry, digits: int) -> Text:
    """An entry as one line: index, name, and a mark if the experiment failed."""
    line = Text(f"{entry.index:>{digits}}  ", style="dim")
    line.append("✗ " if entry.failed else "", style="not dim bold")
    line.append(inert(entry.name, 200) or "(no name)", style="not dim")
    return line


class ExperimentList(Vertical):
    """The experiments of a job with a field to find one. Only `Chosen` and `Left` leave it."""

    BINDINGS = bindings(Scope.FINDING)

    class Chosen(Message):
        """The experiment `index` is to be shown; `taken`: the person is done choosing."""

        def __init__(self, index: int, taken: bool) -> None:
            super().__init__()
            self.index = index
            self.taken = taken

    class Left(Message):
        """The person left the field without choosing."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries: list[Entry] = []
        self.chosen = 0

    def compose(self) -> ComposeResult:
        yield Field(placeholder="/ index or name", compact=True, select_on_focus=True)
        yield ChoiceList(markup=False, compact=True)

    def show(self, entries: Sequence[Entry]) -> None:
        """Replaces the experiments; the chosen one stays if it still exists."""
        self._entries = list(entries)
        self.chosen = min(self.chosen, max(len(self._entries) - 1, 0))
        self._list_matches()

    def entry(self) -> Entry | None:
        """The chosen experiment, or None if there is none."""
        return self._entries[self.chosen] if self._entries else None

    def find(self) -> None:
        """Puts the cursor into the field."""
        self.query_one(Input).focus()

    def step(self, by: int) -> None:
        """Chooses the experiment `by` places further, stopping at both ends."""
        if not self._entries:
            return
        index = max(0, min(len(self._entries) - 1, self.chosen + by))
        self.query_one(Input).value = ""
        if index != self.chosen:
            self._choose(index, taken=False)
        self._highlight()

    def go_back(self, index: int) -> None:
        """Chooses `index` again without a word: the experiment chosen since could not be had."""
        self.chosen = index
        self._highlight()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self._list_matches()

    @on(Input.Submitted)
    def _take_first(self, event: Input.Submitted) -> None:
        event.stop()
        found = matching(self._entries, event.value)
        if found:
            self._choose(found[0].index, taken=True)
            self.query_one(Input).value = ""

    @on(OptionList.OptionHighlighted)
    def _follow(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        # The list highlights by itself when it is filled: only a person's choice counts.
        if self.query_one(OptionList).has_focus and event.option_id is not None:
            index = int(event.option_id)
            if index != self.chosen:
                self._choose(index, taken=False)

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id is not None:
            self._choose(int(event.option_id), taken=True)

    def action_take(self) -> None:
        """Chooses the experiment under the cursor."""
        self.query_one(OptionList).action_select()

    def action_to_list(self) -> None:
        """Leaves the field for the experiments that match."""
        self.query_one(OptionList).focus()

    def action_leave(self) -> None:
        """Leaves without choosing."""
        self.query_one(Input).value = ""
        self.post_message(self.Left())

    def _choose(self, index: int, taken: bool) -> None:
        self.chosen = index
        self.post_message(self.Chosen(index, taken))

    def _list_matches(self) -> None:
        options = self.query_one(OptionList)
        digits = len(str(max(len(self._entries) - 1, 0)))
        found = matching(self._entries, self.query_one(Input).value)
        options.set_options(
            [Option(entry_line(entry, digits), id=str(entry.index)) for entry in found]
        )
        self._highlight()

    def _highlight(self) -> None:
        options = self.query_one(OptionList)
        shown = [option.id for option in options.options]
        wanted = str(self.chosen)
        if wanted in shown:
            options.highlighted = shown.index(wanted)
