"""What a set covers: its experiments, its holes, and sending the holes once more."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from qtower.errors import QtowerError
from qtower.fitting import cut, fit
from qtower.model import Coverage, FillHoles, GetCoverage, Hole, Submitted
from qtower.text import inert
from qtower.ui import words
from qtower.ui.actions import Needs, Scope, bindings
from qtower.ui.messages import RowsChanged, SendingChanged
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.widgets.hints import Hints
from qtower.ui.widgets.text_lines import TextScroll

_READ_SECONDS = 0.5  # at most so often: many rows of a set change at once
_NAMED = 6


class CoverageScreen(Acting, Screen[Submitted | None]):
    """Closes with what was sent again, or with None."""

    AUTO_FOCUS = "#coverage-scroll"
    SCOPES = (Scope.COVERAGE, Scope.TEXT)
    BINDINGS = bindings(Scope.COVERAGE)

    def __init__(self, set_id: str) -> None:
        super().__init__()
        self._set_id = set_id
        self._coverage: Coverage | None = None
        self._reading = False

    def compose(self) -> ComposeResult:
        """The set's name, what it covers, its holes, and the keys."""
        yield Static("What the set covers", id="coverage-title", markup=False)
        with TextScroll(id="coverage-scroll"):
            yield Static(id="coverage-text", markup=False)
        yield Hints(id="coverage-hints")

    def has(self, needs: Needs) -> bool:
        return needs is not Needs.COVERAGE or self._coverage is not None

    def on_mount(self) -> None:
        self._read()

    @on(SendingChanged)
    def _sending_changed(self) -> None:
        self._read_soon()

    @on(RowsChanged)
    def _rows_changed(self, message: RowsChanged) -> None:
        if any(key.startswith(f"{self._set_id}/") for key in message.keys):
            self._read_soon()

    def _read_soon(self) -> None:
        if not self._reading:
            self._reading = True
            self.set_timer(_READ_SECONDS, self._read)

    def _read(self) -> None:
        self._reading = False
        self.run_worker(self._load(), group="coverage", exclusive=True)

    async def _load(self) -> None:
        text = self.query_one("#coverage-text", Static)
        try:
            self._coverage = await self.app.ask(GetCoverage(set_id=self._set_id))
        except QtowerError as error:
            text.update(Text(inert(str(error), 500)))
            return
        assert self._coverage is not None
        text.update(Text("\n".join(coverage_lines(self._coverage))))

    def action_fill(self) -> None:
        """Shows what would be sent, asks, and sends it."""
        found = self._coverage
        assert found is not None
        plan, sendable = fill_plan(found)
        if not sendable:
            self.app.say("info", "Send the holes", plan[0])
            return
        question = f"Send {words.jobs(sendable)} that the set lacks?"
        screen = ConfirmScreen(question, plan, "Yes, send", "No, leave it")
        self.app.push_screen(screen, lambda yes: self._fill() if yes else None)

    def _fill(self) -> None:
        async def send() -> None:
            self.dismiss(await self.app.ask(FillHoles(set_id=self._set_id)))

        self.app.attempt(send(), group="fill")


def coverage_lines(found: Coverage) -> list[str]:
    """A set's coverage for a person, line by line."""
    lines = [
        cut(found.name, 80),
        "",
        f"covers       {inert(found.line)}",
        f"with result  {inert(found.with_result) or 'none yet'}",
        f"jobs         {found.jobs}",
    ]
    if found.holes:
        lines += ["", "Holes", *(_hole_line(hole) for hole in found.holes)]
    return lines


def fill_plan(found: Coverage) -> tuple[list[str], int]:
    """What sending the holes once more would do, as lines, and how many jobs it would send."""
    if not found.holes:
        return ["This set has no holes."], 0
    kept = [hole for hole in found.holes if hole.source == "kept here"]
    failed = [hole for hole in found.holes if hole.source == "on the server"]
    lost = [hole for hole in found.holes if not hole.source]
    lines = []
    if kept:
        lines.append(f"{words.jobs(len(kept))} of this set, as kept here: {_named(kept)}")
    if failed:
        lines.append(
            f"{words.jobs(len(failed))} as a new set, by the qobj on the server: {_named(failed)}"
        )
    if lost:
        lines.append(f"Not possible, the qobj is nowhere: {_named(lost)}")
    return lines, len(kept) + len(failed)


def _named(holes: list[Hole]) -> str:
    names = ", ".join(f"#{hole.index}" for hole in holes[:_NAMED])
    return f"{names} and {len(holes) - _NAMED} more" if len(holes) > _NAMED else names


def _hole_line(hole: Hole) -> str:
    if hole.first is None:
        span = ""
    elif hole.first == hole.last:
        span = f"experiment {hole.first}"
    else:
        span = f"experiments {hole.first}-{hole.last}"
    source = hole.source or "its qobj is nowhere"
    why = cut(hole.why, 20)
    return f"  #{hole.index:<5} {span:<24} {fit(why, max(12, cell_len(why)))} {inert(source, 40)}"
