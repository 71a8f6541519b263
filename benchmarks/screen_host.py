"""A screen to be measured, in a terminal of its own: `... screen_host KIND ROWS RATE`.

`qtower` is ours; `table` is what a user of Textual would write, a `DataTable` fed with the same
events; `textual` is ours as Textual sends it, before it is compared with what stands there.
"""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable

from qtower import model
from qtower.agent.link import AgentLink
from qtower.ui.app import TowerApp
from qtower.ui.joblist.cells import COLUMNS, job_cell
from qtower.ui.signs import UNICODE

_WIDTH = 24  # no job id is cut


class TableApp(App[None]):
    """All jobs in a `DataTable`; a changed job's changed cells are updated by key."""

    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "Quit"), ("ctrl+r", "read", "Read")]

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self._link = AgentLink(command, self._hear, lambda state: None)
        self._known: dict[str, list[str]] = {}

    def compose(self) -> ComposeResult:
        yield DataTable(cursor_type="row", zebra_stripes=False)

    async def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for column in COLUMNS:
            table.add_column(column.title, key=column.id, width=column.width)
        table.focus()
        await self._link.start()

    async def on_unmount(self) -> None:
        await self._link.close()

    def _hear(self, event: model.Event) -> None:
        if not isinstance(event, model.Rows):
            return
        table = self.query_one(DataTable)
        for row in event.rows:
            cells = [job_cell(column.id, row, 2e9, _WIDTH, UNICODE) for column in COLUMNS]
            known = self._known.get(row.key)
            self._known[row.key] = cells
            if known is None:
                table.add_row(*cells, key=row.key)
                continue
            for column, old, new in zip(COLUMNS, known, cells, strict=True):
                if old != new:
                    table.update_cell(row.key, column.id, new)

    def action_read(self) -> None:
        self.run_worker(self._link.ask(model.Refresh(), timeout=60), exit_on_error=False)


class PlainTower(TowerApp):
    """Ours, but for what lies between Textual's compositor and its driver."""

    _display = App._display


def main() -> None:
    """Runs the screen that the command line names."""
    kind, *rest = sys.argv[1:]
    command = [sys.executable, "-m", "benchmarks.screen_agent", *rest]
    if kind == "table":
        asyncio.run(TableApp(command).run_async())
        return

    def connect(on_event: object, on_state: object) -> AgentLink:
        return AgentLink(command, on_event, on_state)  # type: ignore[arg-type]

    tower = {"qtower": TowerApp, "textual": PlainTower}[kind]
    asyncio.run(tower(connect, "bench").run_async())


if __name__ == "__main__":
    main()
