"""The file picker: one directory at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from qtower.fitting import cut, end_of, fit
from qtower.text import inert
from qtower.ui.actions import BY_ID, Action, Needs, Scope, bindings
from qtower.ui.screens.acting import Acting
from qtower.ui.widgets.choice_list import ChoiceList
from qtower.ui.widgets.hints import Hints
from qtower.ui.widgets.wording import size

CIRCUIT_SUFFIXES = frozenset({".qasm", ".qasm3", ".inc", ".json", ".qpy"})


@dataclass(frozen=True)
class Picked:
    """The files that were taken, and the directory where the picker was left."""

    files: list[Path]
    directory: Path


@dataclass(frozen=True)
class Entry:
    """A file or directory of the one that is shown."""

    path: Path
    is_directory: bool
    size: int = 0  # bytes


def list_directory(directory: Path, hidden: bool) -> list[Entry]:
    """The entries of `directory`, directories first, by name; dot files only if `hidden`.

    Raises:
        OSError: It cannot be read.
    """
    entries = []
    for path in directory.iterdir():
        if path.name.startswith(".") and not hidden:
            continue
        try:
            is_directory = path.is_dir()
            entries.append(Entry(path, is_directory, 0 if is_directory else path.stat().st_size))
        except OSError:  # a broken link, or one into a place we may not look at
            entries.append(Entry(path, False))
    return sorted(entries, key=lambda entry: (not entry.is_directory, entry.path.name.casefold()))


def entry_line(entry: Entry, marked: bool, width: int) -> Text:
    """An entry as one line of `width` cells: mark, name, size. Circuit files stand out."""
    line = Text("● " if marked else "  ", style="bold green")
    room = max(width - 14, 20)
    if entry.is_directory:
        line.append(f"{cut(entry.path.name, room)}/", style="bold blue")
        return line
    is_circuit = entry.path.suffix.lower() in CIRCUIT_SUFFIXES
    style = "not bold default" if is_circuit else "not bold dim default"
    line.append(fit(entry.path.name, room), style=style)
    line.append(f"{size(entry.size):>10}", style="not bold dim default")
    return line


class FilePicker(Acting, ModalScreen[Picked | None]):
    """Space marks files, Enter takes the marked ones, or the one under the cursor."""

    SCOPES = (Scope.PICKER, Scope.CHOICES)
    BINDINGS = bindings(Scope.PICKER, dialog=True)

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._entries: list[Entry] = []
        self._marked: dict[Path, None] = {}  # in the order of marking
        self._hidden = False

    def compose(self) -> ComposeResult:
        with Vertical(id="picker-box") as box:
            box.border_title = "Choose circuit files"
            yield Static(id="picker-directory", markup=False)
            yield ChoiceList(id="picker-entries", markup=False, compact=True)
            yield Static(id="picker-message", markup=False)
            yield Hints()

    def on_mount(self) -> None:
        self._go(self._directory)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_entries)
        self.call_after_refresh(self._show_directory)

    def has(self, needs: Needs) -> bool:
        entry = self._under_cursor()
        if needs in (Needs.FILE, Needs.DIRECTORY):
            return entry is not None and entry.is_directory is (needs is Needs.DIRECTORY)
        return True

    def refuse(self, action: Action, why: str) -> None:
        self._say(why)

    def action_hidden(self) -> None:
        """Shows or hides names that begin with a dot."""
        self._hidden = not self._hidden
        self._go(self._directory)

    def action_home(self) -> None:
        """Goes to the home directory."""
        self._go(Path.home())

    def action_up(self) -> None:
        """Goes to the directory above, onto the one that was left."""
        if self._directory.parent != self._directory:
            self._go(self._directory.parent, onto=self._directory)

    def action_open(self) -> None:
        """Goes into the directory under the cursor."""
        entry = self._under_cursor()
        assert entry is not None
        self._go(entry.path)

    def action_mark(self) -> None:
        """Marks the file under the cursor, or takes its mark away, and goes down."""
        entry = self._under_cursor()
        assert entry is not None
        if entry.path in self._marked:
            del self._marked[entry.path]
        else:
            self._marked[entry.path] = None
        self._show_entries()
        self.query_one(OptionList).action_cursor_down()

    @on(OptionList.OptionSelected)
    async def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        await self.call_action(BY_ID["picker.take"])

    def action_take(self) -> None:
        """Goes into the directory under the cursor, or closes with the files."""
        entry = self._under_cursor()
        if entry is None:
            return
        if entry.is_directory:
            self._go(entry.path)
        else:
            self.dismiss(Picked(list(self._marked) or [entry.path], self._directory))

    def _go(self, directory: Path, onto: Path | None = None) -> None:
        self.run_worker(self._read(directory, onto), group="read", exclusive=True)

    async def _read(self, directory: Path, onto: Path | None) -> None:
        try:
            entries = await asyncio.to_thread(list_directory, directory, self._hidden)
        except OSError as error:
            reason = error.strerror or str(error)
            self._say(f"{directory.name or directory} cannot be opened: {reason}.")
            return
        self._directory, self._entries = directory, entries
        self._show_directory()
        paths = [entry.path for entry in entries]
        self._say("" if entries else "This directory is empty.")
        self._show_entries(paths.index(onto) if onto in paths else 0)

    def _show_directory(self) -> None:
        """The end of a long path says more than its beginning."""
        line = self.query_one("#picker-directory", Static)
        room = max(line.content_size.width, 20)
        line.update(Text(end_of(str(self._directory), room), style="bold"))

    def _show_entries(self, highlighted: int | None = None) -> None:
        entries = self.query_one(OptionList)
        place = entries.highlighted if highlighted is None else highlighted
        width = max(entries.size.width - 2, 40)
        entries.set_options(
            [
                Option(entry_line(entry, entry.path in self._marked, width))
                for entry in self._entries
            ]
        )
        entries.highlighted = place if self._entries else None
        if self._marked:
            self._say(f"{len(self._marked)} marked")

    def _under_cursor(self) -> Entry | None:
        place = self.query_one(OptionList).highlighted
        return self._entries[place] if place is not None and self._entries else None

    def _say(self, words: str) -> None:
        self.query_one("#picker-message", Static).update(Text(inert(words, 1000)))
