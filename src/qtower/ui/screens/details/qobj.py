"""Qobj: the circuits drawn, the run configuration, and the JSON."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from qtower.errors import QtowerError
from qtower.model import Drawing, GetDrawing, GetQobj, JobRow, QobjHead
from qtower.text import inert
from qtower.ui.actions import Scope
from qtower.ui.screens.details.choosing import ExperimentTab
from qtower.ui.screens.details.json_tree import JsonTree
from qtower.ui.screens.details.summary import field_lines
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.experiment_list import Entry, ExperimentList, index_words
from qtower.ui.widgets.state_panel import StatePanel
from qtower.ui.widgets.text_lines import TextLines, TextScroll
from qtower.ui.widgets.wording import plural, size

PARTS = {"drawing": "Drawing", "config": "Run configuration", "json": "JSON"}


def qobj_line(head: QobjHead) -> Text:
    """The qobj as a whole in one line."""
    facts = [
        f"{inert(head.kind)} qobj",
        plural(len(head.experiments), "experiment"),
        size(head.size),
        f"schema {inert(head.schema_version)}",
        inert(head.qobj_id),
    ]
    return Text("  ·  ".join(facts), style="dim")


class QobjTab(ExperimentTab):
    """Experiments at the left as in the result; `v` goes from drawing to configuration to JSON."""

    SCOPES = (Scope.QOBJ, Scope.EXPERIMENTS, Scope.FINDING, Scope.TEXT, Scope.TREE)

    def __init__(self, key: str, *, id: str) -> None:
        super().__init__(key, id=id)
        self._head: QobjHead | None = None
        self._part = "drawing"
        self._drawn: tuple[int, int] | None = None  # experiment and width of the drawing shown

    def compose(self) -> ComposeResult:
        yield StatePanel()
        yield Static(id="qobj-facts", markup=False)
        with Horizontal(id="qobj-body"):
            yield ExperimentList(id="qobj-experiments")
            with Vertical(id="qobj-content"):
                yield Static(id="qobj-part", markup=False)
                yield TextLines(id="qobj-drawing")
                with TextScroll(id="qobj-config"):
                    yield Static(id="qobj-fields", markup=False)
                yield JsonTree(self.key, id="qobj-json")

    def on_mount(self) -> None:
        self._show_part()
        self.say("Loading", "Reading the qobj.")

    @property
    def scopes(self) -> tuple[Scope, ...]:
        elsewhere = Scope.TEXT if self._part == "json" else Scope.TREE
        return tuple(scope for scope in self.SCOPES if scope is not elsewhere)

    @property
    def main(self) -> Widget:
        return self.query_one(f"#qobj-{self._part}")

    def row_changed(self, before: JobRow | None, now: JobRow) -> None:
        # A qobj never changes: once read, it stays.
        if self._head is None:
            super().row_changed(before, now)

    async def load(self) -> None:
        head = await ask(self, GetQobj(key=self.key), QobjHead)
        self._head = head
        self.query_one("#qobj-facts", Static).update(qobj_line(head))
        self.query_one(ExperimentList).show(
            [Entry(index, name) for index, name in enumerate(head.experiments)]
        )
        self.set_class(len(head.experiments) < 2, "-single")
        self._draw_fields()
        self.show_content()
        self._show_part()
        self.call_after_refresh(self._draw)

    def copy_text(self) -> str:
        if self._part == "drawing":
            return self.query_one(TextLines).text
        if self._part == "config" and self._head is not None:
            return "\n".join(f"{item.label}: {item.value}" for item in self._head.config)
        node = self.query_one(JsonTree).cursor_node
        return str(node.label) if node is not None else ""

    # -- what of it --

    def action_view(self) -> None:
        """Drawing, run configuration, JSON, and from the beginning."""
        names = list(PARTS)
        self._part = names[(names.index(self._part) + 1) % len(names)]
        self._show_part()
        self.call_after_refresh(self._draw)
        self.focus_content()

    def _show_part(self) -> None:
        line = Text()
        for name, title in PARTS.items():
            line.append(f" {title} ", style="reverse" if name == self._part else "dim")
            line.append(" ")
            self.query_one(f"#qobj-{name}").display = name == self._part
        entry = self.query_one(ExperimentList).entry()
        if entry is not None and self._part == "drawing" and self._head is not None:
            index = index_words(entry.index, len(self._head.experiments))
            line.append(f" {index}  ", style="dim")
            line.append(inert(entry.name, 200), style="bold")
        self.query_one("#qobj-part", Static).update(line)
        if self._part == "json" and self._head is not None:
            self.query_one(JsonTree).begin()

    def on_resize(self) -> None:
        self._draw_fields()
        if self._head is not None:
            self.call_after_refresh(self._draw)

    def _draw_fields(self) -> None:
        if self._head is not None:
            width = self.size.width - 4 - (0 if self.has_class("-single") else 34)
            self.query_one("#qobj-fields", Static).update(field_lines(self._head.config, width))

    # -- which experiment --

    @property
    def is_read(self) -> bool:
        return self._head is not None

    def look_at(self, index: int) -> None:
        self._part = "drawing"
        self._show_part()
        self.call_after_refresh(self._draw)

    def finding_left(self) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        """Asks for the drawing of the chosen experiment in the width there is, if it is another."""
        if self._head is None or not self._head.experiments:
            self.query_one(TextLines).show("The qobj has no experiments.")
            return
        width = self.query_one(TextLines).size.width
        if not width:  # not on screen: it is drawn when it gets its place there
            return
        wanted = (self.query_one(ExperimentList).chosen, width)
        if wanted != self._drawn:
            self._drawn = wanted
            self.start(self._fetch_drawing(*wanted), "drawing")

    async def _fetch_drawing(self, experiment: int, width: int) -> None:
        lines = self.query_one(TextLines)
        request = GetDrawing(key=self.key, experiment=experiment, width=width)
        try:
            drawing = await ask(self, request, Drawing)
        except QtowerError as error:
            self._drawn = None
            lines.show(f"{error.title}: {error}")
            return
        lines.show(drawing.text)
