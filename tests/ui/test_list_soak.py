"""The list on the screen beside a plain model of it, whatever comes and is pressed.

What stands on the terminal is kept as the terminal would keep it: only cells that the list asked to
paint again change. So a line that is torn, left over or missing shows.
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from textual.geometry import Region
from textual.pilot import Pilot

from qtower.model import JobRow, Status
from qtower.ui.joblist import JobList
from qtower.ui.joblist.cells import lay_out
from qtower.ui.listing import Entry
from qtower.ui.signs import UNICODE
from qtower.ui.sorting import BY_ID, Sort
from tests.ui.conftest import NOW
from tests.ui.plain_list import PlainList
from tests.ui.test_joblist import ListApp

SIZE = (80, 9)
HEIGHT = SIZE[1] - 1
SOAK = bool(os.environ.get("QTOWER_SOAK"))

ROWS = st.builds(
    lambda number, set_number, **fields: JobRow(
        key=f"{set_number}/{number}" if set_number else str(number),
        set_id=str(set_number) if set_number else "",
        set_name=f"set {9 - set_number}" if set_number else "",
        index=number if set_number else None,
        **fields,
    ),
    st.integers(0, 25),
    st.integers(0, 3),
    status=st.sampled_from(list(Status)),
    created=st.integers(0, 99).map(lambda ago: NOW - ago),
    name=st.sampled_from(["Bell", "GHZ", "qft", "long name"]),
    queue_position=st.none() | st.integers(1, 9),
    shots=st.none() | st.integers(1, 3),
)
GONE = st.builds(lambda s, n: f"{s}/{n}" if s else str(n), st.integers(0, 3), st.integers(0, 25))
STEP = st.one_of(
    st.tuples(
        st.just("news"),
        st.tuples(st.lists(ROWS, min_size=1, max_size=25), st.lists(GONE, max_size=4)),
    ),
    st.tuples(st.just("filter"), st.sampled_from(["", "done", "bell", "g", "zz"])),
    st.tuples(
        st.just("sort"),
        st.tuples(st.sampled_from(["age", "status", "queue", "name"]), st.booleans()),
    ),
    st.tuples(
        st.just("keys"),
        st.lists(
            st.sampled_from(["j", "j", "j", "k", "G", "g", "pagedown", "pageup", "space", "a", "u",
                             "left", "right", "minus", "plus", "v", "i"]),
            min_size=1, max_size=6,
        ),
    ),
)  # fmt: skip


class Glass:
    """What a terminal shows of a list: cells change only where the list had them painted."""

    def __init__(self, jobs: JobList) -> None:
        self._jobs = jobs
        self._dirty: list[Region] = []
        self.lines = [" " * SIZE[0]] * HEIGHT
        refresh = jobs.refresh

        def watch(*regions: Region, **options: Any) -> JobList:
            self._dirty.extend(regions or [Region(0, 0, *SIZE)])
            return refresh(*regions, **options)

        jobs.refresh = watch  # type: ignore[method-assign]

    def paint(self) -> None:
        for region in self._dirty:
            for y in range(region.y, min(region.bottom, HEIGHT)):
                new, old = self._jobs.render_line(y).text, self.lines[y]
                self.lines[y] = old[: region.x] + new[region.x : region.right] + old[region.right :]
        self._dirty.clear()


class Reader:
    """Cursor and view by the rules that a person is told, beside the plain list."""

    def __init__(self, plain: PlainList) -> None:
        self.plain = plain
        self.cursor: Entry | None = None
        self.home: Entry | None = None  # what was chosen: a neighbour stands in for it
        self.chosen = False
        self.words: list[str] = []
        self.rows: dict[str, JobRow] = {}  # when the cursor was put where it is
        self.line = self.top = 0
        self.last_marked: Entry | None = None

    def anchor(self) -> tuple[Entry, int] | None:
        lines = self.plain.lines()
        if not lines:
            return None
        seen = self.top <= self.line < self.top + HEIGHT
        line = self.line if seen else min(self.top, len(lines) - 1)
        return lines[line], line - self.top

    def changed(self, kept: tuple[Entry, int] | None) -> None:
        """The list is another: the cursor stays on its job, and that where it stood."""
        plain, lines, before = self.plain, self.plain.lines(), self.cursor
        filtered, self.words = plain.words != self.words, plain.words
        wanted = self.home if filtered and self._is_known(self.home) else self.cursor
        self._stand(plain.near(wanted, self.rows) if self.chosen and wanted else 0)
        if not self._is_known(self.home):
            self.home = self.cursor if self.home else None
        if filtered and kept and kept[0] == before and self.cursor:
            kept = self.cursor, kept[1]
        if kept and kept[0] in lines and (self.chosen or self.top):
            place = lines.index(kept[0])
            if self.top or place >= HEIGHT:
                self.top = max(0, place - kept[1])
        self.top = max(0, min(self.top, len(lines) - HEIGHT))

    def _is_known(self, entry: Entry | None) -> bool:
        rows = self.plain.rows
        return entry is not None and (entry.key in rows or bool(self.plain.jobs_under(entry)))

    def _stand(self, line: int) -> None:
        lines = self.plain.lines()
        self.line = max(0, min(line, len(lines) - 1))
        self.cursor = lines[self.line] if lines else None
        self.rows = dict(self.plain.rows)

    def choose(self) -> None:
        self.chosen, self.home = True, self.cursor

    def show(self) -> None:
        self.top = max(min(self.top, self.line), self.line - HEIGHT + 1)

    def go(self, line: int) -> None:
        self._stand(line)
        self.choose()
        self.show()

    def press(self, key: str) -> None:
        moves = {"j": 1, "k": -1, "pagedown": HEIGHT - 1, "pageup": 1 - HEIGHT}
        if key in moves:
            self.go(self.line + moves[key])
        elif key in "gG":
            self.go(0 if key == "g" else len(self.plain.lines()) - 1)
        elif key in ("left", "right", "minus", "plus"):
            self.fold(key)
        else:
            self.mark(key)

    def fold(self, key: str) -> None:
        self.choose()
        kept, plain = self.anchor(), self.plain
        if key in ("minus", "plus"):
            plain.folds = {r.set_id: key == "minus" for r in plain.rows.values() if r.set_id}
            self.changed(kept)
        elif self.cursor and plain.headed(self.cursor.set_id):
            plain.folds[self.cursor.set_id] = key == "left"
            self.changed(kept)
            self.show()

    def mark(self, key: str) -> None:
        plain = self.plain
        listed = {row.key for row in plain.rows.values() if plain.matches(row)}
        if key == "a":
            plain.marks |= listed
        elif key == "u":
            plain.marks.clear()
        elif key == "i":
            plain.marks ^= listed
        else:
            self.mark_lines(key)

    def mark_lines(self, key: str) -> None:
        self.choose()
        plain = self.plain
        if self.cursor is None:
            return
        if key == "space":
            keys = {row.key for row in plain.jobs_on(self.cursor)}
            plain.marks = plain.marks - keys if keys <= plain.marks else plain.marks | keys
        else:
            lines = plain.lines()
            first = lines.index(self.last_marked) if self.last_marked in lines else self.line
            start, end = sorted((first, self.line))
            for entry in lines[start : end + 1]:
                if entry.key or plain.folded(entry.set_id):
                    plain.marks |= {row.key for row in plain.jobs_on(entry)}
        self.last_marked = self.cursor

    def screen(self) -> list[str]:
        """Margin, state and name of each visible line."""
        lines = self.plain.lines()[self.top : self.top + HEIGHT]
        return [self._line(entry) for entry in lines] + [""] * (HEIGHT - len(lines))

    def _line(self, entry: Entry) -> str:
        plain = self.plain
        cursor = "▌" if entry == self.cursor else " "
        mark = {"all": "◆", "some": "◇", "none": " "}[plain.marked(entry)]
        status = plain.status(entry)
        if entry.key:
            row = plain.rows[entry.key]
            name = ("  " if plain.headed(entry.set_id) else "") + (row.name or row.key)
        else:
            fold = "▸" if plain.folded(entry.set_id) else "▾"
            name = f"{fold} {plain.set_rows(entry.set_id)[0].set_name}"
        return f"{cursor}{mark}{UNICODE.status[status]} {status.value}|{name}"


def seen(glass: Glass) -> list[str]:
    """What the glass shows, in the reader's words."""
    slots = {slot.column.id: slot for slot in lay_out(SIZE[0] - 1)}
    status, name = slots["status"], slots["name"]
    lines = []
    for line in glass.lines:
        state = line[: status.x + status.width].rstrip()
        # A set's counts may begin within the column.
        called = re.split(r"(?<=\S)  ", line[name.x : name.x + name.width].rstrip())[0]
        lines.append(f"{state}|{called}" if line[:-1].strip() else "")
    return lines


async def play(steps: list[tuple[str, Any]]) -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.jobs.focus()
        plain = PlainList()
        reader, glass = Reader(plain), Glass(app.jobs)
        for number, (kind, what) in enumerate(steps):
            await step(pilot, app, reader, kind, what)
            glass.paint()
            assert seen(glass) == reader.screen(), f"after step {number}: {kind} {what}"
            assert app.jobs.cursor == reader.cursor


async def step(pilot: Pilot[None], app: ListApp, reader: Reader, kind: str, what: Any) -> None:
    plain, kept = reader.plain, reader.anchor()
    if kind == "news":
        app.board.apply(*what)
        app.jobs.board_changed()
        plain.apply(*what)
        reader.changed(kept)
    elif kind == "keys":
        await pilot.press(*what)
        for key in what:
            reader.press(key)
    else:
        if kind == "filter":
            app.board.filter_text = what
            plain.words = what.split()
        else:
            app.board.sort = Sort(BY_ID[what[0]], what[1])
            plain.column, plain.descending = what
        app.jobs.pursue()
        await app.workers.wait_for_complete()
        reader.changed(kept)
        reader.show()
    await pilot.pause()


@settings(
    max_examples=500 if SOAK else 6,
    deadline=None,
    # Each step is lived through by a real app: making a failing story shorter takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(STEP, min_size=10, max_size=30))
def test_cursor_marks_and_view_stay_where_they_are(steps: list[tuple[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qtower.ui.arranging.AT_ONCE", 3)
        asyncio.run(play(steps))
