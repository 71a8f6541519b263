"""Timeline: when the job reached each step, and how long it stayed there."""

from __future__ import annotations

import time
from itertools import pairwise

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from qtower.fitting import cut, fit
from qtower.model import Details, Step
from qtower.ui.screens.details.facts import FactsTab
from qtower.ui.widgets.wording import bar, duration, local_time

_NAME = 30  # cells


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
    names = [cut(step.name, _NAME) for step in steps]
    times = [local_time(step.at, today) for step in steps]
    words = [duration(span) for span in spans] + ["end" if ended else "now"]
    name_width, time_width, word_width = (
        max(map(cell_len, column)) for column in (names, times, words)
    )
    room = width - name_width - time_width - word_width - 6
    text = Text()
    for number, name in enumerate(names):
        text.append("\n" if number else "")
        text.append(fit(name, name_width))
        text.append(f"  {times[number]:>{time_width}}", style="dim")
        text.append(f"  {words[number]:>{word_width}}")
        if number < len(spans) and longest > 0 and room >= 8:
            text.append(f"  {bar(spans[number] / longest, room)}", style="blue")
    return text


class TimelineTab(FactsTab):
    """The steps of `time_per_step`."""

    LOADING = "Reading the steps of the job."
    PARTS = ("timeline-steps", "timeline-total")

    def copy_text(self) -> str:
        if self.details is None or not self.details.steps:
            return ""
        return self._text(self.details, 0).plain

    def draw(self, details: Details) -> None:
        if not details.steps:
            self.say("No steps known", details.note or "The endpoint has reported none so far.")
            return
        self.show_content()
        self.query_one("#timeline-steps", Static).update(self._text(details, self.size.width - 6))
        total = details.steps[-1].at - details.steps[0].at
        words = "in all" if details.row.status.final else "so far"
        self.query_one("#timeline-total", Static).update(Text(f"{duration(total)} {words}"))

    def _text(self, details: Details, width: int) -> Text:
        # The clock only decides which times carry a date.
        return timeline_lines(details.steps, width, time.time(), details.row.status.final)
