"""Timeline: when the job reached each step, and how long it stayed there."""

from __future__ import annotations

import time
from itertools import pairwise

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from qtower.model import Details, GetDetails, JobRow, Step
from qtower.text import inert
from qtower.ui.screens.details.summary import TextScroll
from qtower.ui.screens.details.tab import DetailsTab
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.state_panel import StatePanel
from qtower.ui.widgets.wording import bar, duration, local_time


def timeline_lines(steps: list[Step], width: int, today: float, ended: bool) -> Text:
    """One line a step: name, local time, time until the next step, and that time as a bar.

    Args:
        steps: In order of time.
        width: Cells in a line; the bar takes what is left, and is left out under 8.
        today: Now, in seconds: times of another day are shown with their date.
        ended: No step follows the last one.
    """
    spans = [after.at - step.at for step, after in pairwise(steps)]
    longest = max(spans, default=0.0)
    names = [inert(step.name) for step in steps]
    times = [local_time(step.at, today) for step in steps]
    words = [duration(span) for span in spans] + ["end" if ended else "now"]
    name_width, time_width, word_width = (max(map(len, column)) for column in (names, times, words))
    room = width - name_width - time_width - word_width - 6
    text = Text()
    for number, name in enumerate(names):
        text.append("\n" if number else "")
        text.append(f"{name:<{name_width}}")
        text.append(f"  {times[number]:>{time_width}}", style="dim")
        text.append(f"  {words[number]:>{word_width}}")
        if number < len(spans) and longest > 0 and room >= 8:
            text.append(f"  {bar(spans[number] / longest, room)}", style="blue")
    return text


class TimelineTab(DetailsTab):
    """The steps of `time_per_step`."""

    def __init__(self, key: str, *, id: str) -> None:
        super().__init__(key, id=id)
        self._details: Details | None = None

    def compose(self) -> ComposeResult:
        yield StatePanel()
        with TextScroll():
            yield Static(id="timeline-steps", markup=False)
            yield Static(id="timeline-total", markup=False)

    def on_mount(self) -> None:
        self.say("Loading", "Reading the steps of the job.")

    @property
    def main(self) -> Widget:
        return self.query_one(TextScroll)

    def row_changed(self, before: JobRow | None, now: JobRow) -> None:
        self.outdated = True

    async def load(self) -> None:
        details = await ask(self, GetDetails(key=self.key), Details)
        self._details = details
        if details.steps:
            self._draw()
            self.show_content()
        else:
            self.say("No steps known", details.note or "The endpoint has reported none so far.")

    def copy_text(self) -> str:
        if self._details is None or not self._details.steps:
            return ""
        return self._text(self._details, 0).plain

    def on_resize(self) -> None:
        if self._details is not None and self._details.steps:
            self._draw()

    def _draw(self) -> None:
        details = self._details
        if details is None:
            return
        self.query_one("#timeline-steps", Static).update(self._text(details, self.size.width - 6))
        total = details.steps[-1].at - details.steps[0].at
        words = "in all" if details.row.status.final else "so far"
        self.query_one("#timeline-total", Static).update(Text(f"{duration(total)} {words}"))

    def _text(self, details: Details, width: int) -> Text:
        # The clock only decides which times carry a date.
        return timeline_lines(details.steps, width, time.time(), details.row.status.final)
