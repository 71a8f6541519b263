"""Result: the counts or the memory of one experiment at a time."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from qtower.errors import GoneError, JobStateError, QtowerError
from qtower.model import (
    Counts,
    ExperimentHead,
    GetCounts,
    GetMemory,
    GetResult,
    Memory,
    ResultHead,
    Saved,
    Status,
)
from qtower.text import inert, inert_lines
from qtower.ui.actions import Scope
from qtower.ui.screens.details.choosing import ExperimentTab
from qtower.ui.screens.details.result_lines import View, experiment_line, result_line
from qtower.ui.screens.details.save import SaveDialog
from qtower.ui.screens.details.tab import position_words
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.experiment_list import Entry, ExperimentList
from qtower.ui.widgets.outcomes import CountsTable, MemoryList
from qtower.ui.widgets.paged_lines import PAGE, PagedLines
from qtower.ui.widgets.state_panel import StatePanel
from qtower.ui.widgets.text_lines import TextLines
from qtower.ui.widgets.wording import size


class ResultTab(ExperimentTab):
    """Experiments at the left (when narrow: called with `/`), outcomes of one at the right."""

    SCOPES = (Scope.RESULT, Scope.EXPERIMENTS, Scope.FINDING, Scope.TEXT)

    def __init__(self, key: str, *, id: str) -> None:
        super().__init__(key, id=id)
        self._head: ResultHead | None = None
        self._view = View()  # what is on screen
        self._wanted = View()  # what the person asked for last
        self._saved_as = ""

    def compose(self) -> ComposeResult:
        yield StatePanel()
        yield Static(id="result-facts", markup=False)
        with Horizontal(id="result-body"):
            yield ExperimentList(id="result-experiments")
            with Vertical(id="result-outcomes"):
                yield Static(id="result-experiment", markup=False)
                yield Static(id="result-note", markup=False)
                yield CountsTable(id="result-counts")
                yield MemoryList(id="result-memory")
                yield TextLines(id="result-header")

    def on_mount(self) -> None:
        self.say("Loading", "Reading the result.")

    @property
    def main(self) -> Widget:
        return self.query_one(f"#result-{self._view.part}")

    async def load(self) -> None:
        row = self.row
        if row is not None and not row.status.final and row.status is not Status.UNKNOWN:
            self.say(
                "No result yet", position_words(row), "The result comes here when the job is DONE."
            )
            return
        try:
            head = await ask(self, GetResult(key=self.key), ResultHead)
        except GoneError:
            raise
        except JobStateError as error:
            self.say("No result", error.what, error.next_step)
            return
        self._head = head
        self.query_one("#result-facts", Static).update(result_line(head))
        experiments = self.query_one(ExperimentList)
        experiments.show(
            [Entry(entry.index, entry.name, not entry.success) for entry in head.experiments]
        )
        self.set_class(len(head.experiments) < 2, "-single")
        if not head.experiments:
            self.say("Empty result", "The result has no experiments.")
            return
        self._wanted = replace(self._wanted, experiment=experiments.chosen)
        await self._show_view(self._wanted)
        self.show_content()

    def copy_text(self) -> str:
        if self._view.part == "header":
            return self.query_one(TextLines).text
        if self._view.part == "memory":
            return "\n".join(self.query_one(MemoryList).known())
        rows = self.query_one(CountsTable).known()
        return "\n".join(f"{row.bits}\t{row.count}" for row in rows)

    # -- which experiment --

    @property
    def is_read(self) -> bool:
        return self._head is not None

    def look_at(self, index: int) -> None:
        if index != self._wanted.experiment:
            self._look_at(replace(self._wanted, experiment=index))

    # -- what of it --

    def action_sort(self) -> None:
        """The most frequent outcome first, or in the order of bitstrings."""
        order = "bits" if self._wanted.order == "count" else "count"
        self._look_at(replace(self._wanted, order=order, part="counts"))

    def action_part(self, part: str) -> None:
        """Goes to `part`, or back to the counts."""
        part = "counts" if self._wanted.part == part else part
        self._look_at(replace(self._wanted, part=part))

    def _look_at(self, view: View) -> None:
        if self._head is not None:
            self._wanted = view
            self.start(self._guarded_view(view), "view")

    async def _guarded_view(self, view: View) -> None:
        try:
            await self._show_view(view)
        except QtowerError as error:
            self._wanted = self._view
            self.query_one(ExperimentList).go_back(self._view.experiment)
            self.notify(str(error), title=error.title, severity="error", markup=False)

    async def _show_view(self, view: View) -> None:
        """Asks for the first page of `view`, then shows all of it in one go."""
        head = self._experiment_head(view)
        note = ""
        if view.part == "memory" and head is not None and not head.memory:
            note = "There is no memory here: submit the job with memory to keep every shot."
            self.query_one(MemoryList).show_memory(0, [])
        elif view.part == "memory":
            memory = await ask(self, self._memory_page(view, 0), Memory)
            self.query_one(MemoryList).show_memory(memory.total, memory.shots)
        else:
            counts = await ask(self, self._counts_page(view, 0), Counts)
            self.query_one(CountsTable).show_counts(counts.total, counts.outcomes, counts.rows)
            self.query_one(TextLines).show(counts.header or "There is no header.")
            if view.part == "counts":
                note = counts.note or ("" if counts.outcomes else "There are no counts.")
        self._view = view
        if head is not None and self._head is not None:
            line = experiment_line(head, len(self._head.experiments), view)
            self.query_one("#result-experiment", Static).update(line)
            if not head.success:
                note = f"{head.status}\n{note}".strip()
        self._show_part(view.part, note)

    def _show_part(self, part: str, note: str) -> None:
        had_focus = self.query_one("#result-outcomes").has_focus_within
        for name in ("counts", "memory", "header"):
            self.query_one(f"#result-{name}").display = name == part
        note_line = self.query_one("#result-note", Static)
        note_line.update(Text(inert_lines(note, 2000)))
        note_line.display = bool(note)
        if had_focus:
            self.main.focus()

    @on(PagedLines.PageWanted)
    def _page_wanted(self, event: PagedLines.PageWanted) -> None:
        event.stop()
        self.run_worker(self._fetch_page(self._view, event.offset), group="page")

    async def _fetch_page(self, view: View, offset: int) -> None:
        try:
            if view.part == "memory":
                memory = await ask(self, self._memory_page(view, offset), Memory)
                if view == self._view:
                    self.query_one(MemoryList).add_page(offset, memory.shots)
            else:
                counts = await ask(self, self._counts_page(view, offset), Counts)
                if view == self._view:
                    self.query_one(CountsTable).add_page(offset, counts.rows)
        except QtowerError as error:
            if view == self._view and isinstance(self.main, PagedLines):
                self.main.give_up(offset)
            self.notify(str(error), title=error.title, severity="error", markup=False)

    def _counts_page(self, view: View, offset: int) -> GetCounts:
        return GetCounts(
            key=self.key, experiment=view.experiment, offset=offset, limit=PAGE, order=view.order
        )

    def _memory_page(self, view: View, offset: int) -> GetMemory:
        return GetMemory(key=self.key, experiment=view.experiment, offset=offset, limit=PAGE)

    def _experiment_head(self, view: View) -> ExperimentHead | None:
        experiments = self._head.experiments if self._head is not None else []
        return experiments[view.experiment] if view.experiment < len(experiments) else None

    # -- saving --

    def action_save(self) -> None:
        """Asks for a path and writes the result there."""
        row = self.row
        name = (row.name or row.job_id if row is not None else "") or self.key
        self.app.push_screen(SaveDialog(self.key, name, self._saved_as), self._saved)

    def _saved(self, saved: Saved | None) -> None:
        if saved is not None:
            self._saved_as = saved.path
            self.notify(f"{inert(saved.path)}, {size(saved.size)}", title="Saved", markup=False)
