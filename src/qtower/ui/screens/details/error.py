"""Error: why the job failed, in full."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from qtower.errors import JobStateError
from qtower.model import ErrorReport, GetError, Status
from qtower.text import inert, inert_lines
from qtower.ui.screens.details.tab import DetailsTab, position_words
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.state_panel import StatePanel
from qtower.ui.widgets.text_lines import TextScroll

_MESSAGE = 20_000  # characters: laying out a megabyte takes a minute
_EXPERIMENT = 2000
_NAMED = 100


def report_lines(report: ErrorReport) -> Text:
    """The error message, the submit error, and what went wrong in which experiment."""
    sections: list[tuple[str, str]] = []
    if report.submit_error:
        sections.append(("The submission failed", report.submit_error))
    if report.message:
        sections.append(("Error message", report.summary))
    text = Text()
    for title, words in sections:
        text.append("\n\n" if text.plain else "")
        text.append(title, style="bold red")
        text.append(f"\n\n{inert_lines(words, _MESSAGE).strip()}")
    if report.experiments:
        text.append("\n")
    for experiment in report.experiments[:_NAMED]:
        text.append(f"\n{experiment.index:>4}  ", style="dim")
        text.append(inert(experiment.name, 200), style="bold")
        text.append(f"\n      {inert_lines(experiment.message, _EXPERIMENT).strip()}\n")
    if len(report.experiments) > _NAMED:
        text.append(f"\nand {len(report.experiments) - _NAMED:,} experiments more", style="dim")
    text.rstrip()
    return text


class ErrorTab(DetailsTab):
    """`error_message()` of the job, its submit error, and the errors of its experiments."""

    def compose(self) -> ComposeResult:
        yield StatePanel()
        with TextScroll():
            yield Static(id="error-text", markup=False)

    def on_mount(self) -> None:
        self._text = ""
        self.say("Loading", "Reading the error message.")

    @property
    def main(self) -> Widget:
        return self.query_one(TextScroll)

    async def load(self) -> None:
        row = self.row
        if row is not None and not row.status.final and row.status is not Status.UNKNOWN:
            self.say("No error so far", position_words(row))
            return
        try:
            report = await ask(self, GetError(key=self.key), ErrorReport)
        except JobStateError as error:
            self.say("No error", error.what, error.next_step)
            return
        text = report_lines(report)
        self._text = text.plain
        if text.plain:
            self.query_one("#error-text", Static).update(text)
            self.show_content()
        else:
            self.say("No error", f"Job is {report.status.value}: no error message came with it.")

    def copy_text(self) -> str:
        return self._text
