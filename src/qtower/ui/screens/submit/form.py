"""The fields of the form: what they are called, where they stand, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Checkbox, Input, OptionList, Static
from textual.widgets.option_list import Option

from qtower.fitting import cut
from qtower.model import Backend, FileReport, Problem
from qtower.text import inert, inert_lines
from qtower.ui.actions import Scope, bindings
from qtower.ui.screens.submit.draft import Draft
from qtower.ui.screens.submit.lines import backend_header, backend_line, file_lines
from qtower.ui.widgets.choice_list import ChoiceList
from qtower.ui.widgets.field import Field

FIELDS = {
    "files": "Files",
    "backend": "Backend",
    "shots": "Shots",
    "experiments_per_job": "Per job",
    "name": "Name",
    "tags": "Tags",
    "memory": "Memory",
    "transpile": "Transpile",
}
"""Fields of `Order` in the order of the form, and their labels."""

_TEXTS = {
    "files": "paths, * and ~ allowed; Ctrl+O to choose",
    "shots": "the backend's own",
    "experiments_per_job": "as many as fit",
    "name": "made from the files",
    "tags": "a, b, c",
}


class Tick(Checkbox, inherit_bindings=False):
    """A box whose state shows without colour."""

    BINDINGS = bindings(Scope.TICK)

    def on_mount(self) -> None:
        self._mark()

    def watch_value(self) -> None:
        self._mark()
        super().watch_value()

    def _mark(self) -> None:
        self.BUTTON_INNER = "X" if self.value else " "


class SubmitForm(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The fields, and under each row of them what is wrong there.

    The arrows are not its own: where it scrolls they go from field to field as everywhere.
    """

    BINDINGS = bindings(Scope.FORM)

    PROBLEM_ROWS: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("files",),
        ("backend",),
        ("shots", "experiments_per_job"),
        ("name", "tags"),
        ("memory", "transpile", ""),
    )

    class Edited(Message):
        """The person changed `field`."""

        def __init__(self, field: str) -> None:
            super().__init__()
            self.field = field

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._backends: list[Backend] = []

    def compose(self) -> ComposeResult:
        with Horizontal(classes="form-row"):
            yield from self._text("files")
        with VerticalScroll(id="form-reports", can_focus=False):
            yield Static(id="form-files", markup=False)
        yield self._problem_line("files")
        with Vertical(id="form-backends"):
            yield Static("Reading the backends …", id="form-backend-titles", markup=False)
            yield ChoiceList(id="field-backend", markup=False, compact=True)
        yield self._problem_line("backend")
        for row in self.PROBLEM_ROWS[2:4]:
            with Horizontal(classes="form-row"):
                for field in row:
                    yield from self._text(field)
            yield self._problem_line(row[0])
        with Horizontal(classes="form-row"):
            yield self._label("memory")
            yield Tick("keep every shot", self._draft.memory, id="field-memory", compact=True)
            yield self._label("transpile")
            yield Tick(
                "to the backend's gates", self._draft.transpile, id="field-transpile", compact=True
            )
        yield self._problem_line("memory")

    # -- what is shown --

    def show_backends(self, backends: Sequence[Backend]) -> None:
        """Lists the backends and puts the cursor on the one that the draft names.

        A draft without one takes the first simulator that works, or else the first backend.
        """
        self._backends = list(backends)
        names = [backend.name for backend in backends]
        if self._draft.backend not in names:
            working = [
                backend.name
                for backend in backends
                if backend.simulator and backend.operational is not False
            ]
            self._draft.backend = next(iter(working + names), "")
        width = min(max((cell_len(cut(name, 28)) for name in names), default=7), 28)
        titles = backend_header(width) if names else Text("The account has no backends.")
        self.query_one("#form-backend-titles", Static).update(titles)
        options = self.query_one("#field-backend", OptionList)
        options.set_options([Option(backend_line(backend, width)) for backend in backends])
        if self._draft.backend in names:
            options.highlighted = names.index(self._draft.backend)

    def show_backends_missing(self, words: str) -> None:
        """Says in place of the backends why there are none."""
        self.query_one("#form-backend-titles", Static).update(
            Text(inert_lines(words, 1000), style="bold red")
        )

    def show_files(self, reports: Sequence[FileReport]) -> None:
        """What each file holds, or why it cannot be read."""
        self.query_one("#form-files", Static).update(file_lines(reports))
        self.query_one("#form-reports").display = bool(reports)

    def show_problems(self, problems: Sequence[Problem], files_are_told: bool = False) -> None:
        """Marks the fields at fault, and says what is wrong under their row.

        With `files_are_told`, what is wrong with the files already stands beside each file.
        """
        at_fault = {problem.field for problem in problems}
        for field in FIELDS:
            self.query_one(f"#field-{field}").set_class(field in at_fault, "-at-fault")
        for row in self.PROBLEM_ROWS:
            words = [
                f"{FIELDS[problem.field]}: {problem.message}"
                if problem.field in FIELDS
                else problem.message
                for problem in problems
                if problem.field in row or (row[-1] == "" and problem.field not in FIELDS)
                if not (files_are_told and problem.field == "files")
            ]
            line = self.query_one(f"#problem-{row[0]}", Static)
            line.update(Text("\n".join(inert(word, 600) for word in words)))
            line.display = bool(words)

    def take_files(self, typed: str) -> None:
        """Puts `typed` into the files field as if it had been typed there."""
        field = self.query_one("#field-files", Input)
        field.value = typed
        field.cursor_position = len(typed)
        field.focus()

    # -- what is typed --

    @on(Input.Changed)
    def _text_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._take((event.input.id or "").removeprefix("field-"), event.value)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    @on(Checkbox.Changed)
    def _box_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self._take((event.checkbox.id or "").removeprefix("field-"), event.value)

    @on(OptionList.OptionHighlighted)
    def _backend_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._take("backend", self._backends[event.option_index].name)

    @on(OptionList.OptionSelected)
    def _backend_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.screen.focus_next()

    def _take(self, field: str, value: str | bool) -> None:
        if getattr(self._draft, field) != value:
            setattr(self._draft, field, value)
            self.post_message(self.Edited(field))

    def _text(self, field: str) -> ComposeResult:
        yield self._label(field)
        yield Field(
            getattr(self._draft, field),
            placeholder=_TEXTS[field],
            id=f"field-{field}",
            compact=True,
            select_on_focus=False,
        )

    def _label(self, field: str) -> Static:
        return Static(FIELDS[field], classes="form-label", markup=False)

    def _problem_line(self, field: str) -> Static:
        line = Static(id=f"problem-{field}", classes="form-problem", markup=False)
        line.display = False
        return line
