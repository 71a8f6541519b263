"""Summary: every known fact of the job."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from qtower.fitting import cut, fit, fold
from qtower.model import Details, Field
from qtower.text import inert_lines
from qtower.ui.screens.details.facts import FactsTab


def field_lines(fields: list[Field], width: int) -> Text:
    """Labels and values in two columns; a value that is longer than its column is folded there.

    A label that is longer than a third of the line has a line of its own.
    """
    labels = [cut(field.label, width) for field in fields]
    lengths = [cell_len(label) for label in labels]
    label_width = max((length for length in lengths if length <= width // 3), default=8)
    room = max(width - label_width - 2, 20)
    text = Text()
    for number, field in enumerate(fields):
        # On one line, whatever it holds: a line break in a tag must not look like another field.
        lines = fold(field.value, room)
        text.append("\n" if number else "")
        indent = "\n" + " " * (label_width + 2)
        alone = lengths[number] > label_width
        text.append(labels[number] if alone else fit(labels[number], label_width), style="dim")
        text.append(indent if alone else "  ")
        text.append(indent.join(lines))
    return text


class SummaryTab(FactsTab):
    """Label and value lines, and why something is missing."""

    LOADING = "Reading what is known of the job."
    PARTS = ("summary-note", "summary-fields")

    def copy_text(self) -> str:
        if self.details is None:
            return ""
        return "\n".join(f"{field.label}: {field.value}" for field in self.details.fields)

    def draw(self, details: Details) -> None:
        note = self.query_one("#summary-note", Static)
        note.update(Text(inert_lines(details.note, 2000)))
        note.display = bool(details.note)
        fields = field_lines(details.fields, self.size.width - 6)
        self.query_one("#summary-fields", Static).update(fields)
        self.show_content()
