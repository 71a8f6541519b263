"""The list on the screen: its lines, its cursor, and how little it repaints."""

from __future__ import annotations

import pytest
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region

from qtower.model import JobRow, Status
from qtower.ui import styles
from qtower.ui.board import Board
from qtower.ui.joblist import ColumnTitles, JobList
from qtower.ui.joblist.render import Piece, strip_of
from qtower.ui.listing import Entry
from qtower.ui.signs import ASCII, UNICODE, Signs
from tests.ui.conftest import NOW, job, job_set

SIZE = (80, 12)


class ListApp(App[None]):
    """A list and its titles alone, with a clock that the test turns."""

    def __init__(self, signs: Signs = UNICODE) -> None:
        super().__init__(css_path=[*styles.sheets()])
        self.now = NOW
        self.board = Board()
        self.jobs = JobList(self.board, clock=lambda: self.now, signs=signs)
        self.opened = 0

    def compose(self) -> ComposeResult:
        yield ColumnTitles(self.jobs, id="titles")
        yield self.jobs

    def on_job_list_opened(self) -> None:
        self.opened += 1

    def show(self, *parts: JobRow | list[JobRow], gone: tuple[str, ...] = ()) -> None:
        told = [row for part in parts for row in (part if isinstance(part, list) else [part])]
        self.board.apply(told, gone)
        self.jobs.board_changed()

    def lines(self) -> list[str]:
        """The visible lines of the list, as text."""
        count = min(self.jobs.size.height, len(self.board.entries))
        # The last cell is the scroll bar's.
        return [self.jobs.render_line(y).text[:-1].rstrip() for y in range(count)]

    def cursor_line(self) -> str:
        """The one visible line with the cursor's mark."""
        marked = [line for line in self.lines() if line.startswith("▌")]
        assert len(marked) == 1
        return marked[0]


def many(count: int) -> list[JobRow]:
    return [job(f"j{i:04}", name=f"job {i}", created=NOW - 1000 - i) for i in range(count)]


async def test_lines_at_eighty_columns() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        sweep = job_set("s", Status.DONE, Status.QUEUED, created=NOW - 120, since=NOW - 5)
        app.show(sweep, job("lone0001", Status.ERROR, name="宽字 [/b] \x1b[2J", created=NOW - 7200))
        await pilot.pause()
        titles = app.query_one(ColumnTitles).render_line(0).text
        assert [titles.rstrip(), *app.lines()] == [
            "  STATUS          QUEUE  ▲AGE    # NAME              BACKEND             JOB ID",
            "▌ ○ QUEUED                 2m      ▾ set s           2 jobs: 1 queued 1 done",
            "  ✓ DONE                   2m    0   circuit 0       ibmq_qasm_simulator s0000",
            "  ○ QUEUED                 2m    1   circuit 1       ibmq_qasm_simulator s0001",
            "  ✗ ERROR                2h00      宽字 [/b] ␛[2J    ibmq_qasm_simulator …e0001",
        ]


async def test_ascii_signs() -> None:
    app = ListApp(ASCII)
    async with app.run_test(size=SIZE):
        app.show(job_set("s", *[Status.RUNNING] * 2), job("k", Status.DONE, created=NOW - 900))
        assert all(line.replace("…", "").isascii() for line in app.lines())
        assert app.lines()[0].startswith("* > RUNNING")
        assert app.lines()[3].startswith("  + DONE")


async def test_a_list_that_was_never_drawn_can_be_sorted_by_no_column() -> None:
    app = ListApp()
    before = app.board.sort
    app.jobs.action_sort_next()
    assert app.board.sort == before
    async with app.run_test(size=SIZE):
        app.jobs.action_sort_next()
        assert app.board.sort != before


async def test_keys_move_the_cursor() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(100))
        app.jobs.focus()
        visible = app.jobs.size.height
        for keys, expected in [
            (["down", "j"], 2),
            (["up"], 1),
            (["k", "k", "k"], 0),
            (["pagedown"], visible - 1),
            (["pageup"], 0),
            (["G"], 99),
            (["down"], 99),
            (["g"], 0),
            (["end"], 99),
            (["home"], 0),
        ]:
            await pilot.press(*keys)
            assert app.jobs.cursor == Entry("", f"j{expected:04}"), keys
            assert f"job {expected} " in app.cursor_line()


async def test_the_cursor_stays_on_its_job_and_line_when_newer_jobs_come() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(100))
        app.jobs.focus()
        await pilot.press("G", *["k"] * 20)
        await pilot.pause()
        before = app.lines()
        cursor = app.jobs.cursor
        app.show([job(f"new{i}", created=NOW) for i in range(7)])
        await pilot.pause()
        assert app.jobs.cursor == cursor
        assert app.lines() == before
        app.show(gone=tuple(f"j{i:04}" for i in range(30)))
        await pilot.pause()
        assert app.jobs.cursor == cursor
        assert app.lines() == before


async def test_a_list_at_its_top_goes_on_showing_what_is_new() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(5))
        app.jobs.choose()
        app.show(job("new", name="brand new", created=NOW))
        await pilot.pause()
        assert "brand new" in app.lines()[0]
        assert app.jobs.cursor == Entry("", "j0000")
        app.show([job(f"more{i}", created=NOW + i) for i in range(50)])
        await pilot.pause()
        assert "job 0 " in app.cursor_line()


async def test_before_anything_is_chosen_the_cursor_waits_at_the_top() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(5))
        app.show(*[job(f"newer{number}", created=NOW + number) for number in range(100)])
        await pilot.pause()
        assert app.jobs.cursor == Entry("", "newer99")
        assert app.jobs.scroll_offset.y == 0


async def test_a_job_that_is_gone_gives_the_cursor_to_its_neighbour() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(3))
        app.jobs.focus()
        await pilot.press("j")
        app.show(gone=("j0001",))
        assert app.jobs.cursor == Entry("", "j0002")
        app.show(gone=("j0000", "j0002"))
        assert not app.board.entries
        await pilot.press("j", "space", "left", "G")
        app.show(many(1))
        assert app.jobs.cursor == Entry("", "j0000")


async def test_a_list_that_gets_shorter_shows_no_empty_lines() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(100))
        app.jobs.focus()
        await pilot.press("G", *["k"] * 3)
        app.show(gone=tuple(f"j{number:04}" for number in range(90, 100)))
        await pilot.pause()
        assert "job 89 " in app.lines()[-1]
        assert "job 89 " in app.cursor_line()


async def test_the_wheel_and_the_scroll_bar() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(100))
        await pilot.pause()
        bar = [app.jobs.render_line(y).text[-1] for y in range(app.jobs.size.height)]
        assert bar[0] == "┃" and set(bar[1:]) == {"│"}
        app.jobs.post_message(events.MouseScrollDown(app.jobs, 1, 1, 0, 1, 0, False, False, False))
        await pilot.pause()
        assert "job 3 " in app.lines()[0]
        await pilot.click(JobList, offset=(SIZE[0] - 1, app.jobs.size.height - 1))
        await pilot.pause()
        assert "job 99 " in app.lines()[-1]


async def test_folding() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(
            job_set("s", *[Status.DONE] * 3), job_set("t", *[Status.DONE] * 2, created=NOW - 99)
        )
        app.jobs.focus()
        await pilot.press("down", "down", "left")
        assert app.jobs.cursor == Entry("s", "")
        assert len(app.lines()) == 4
        assert "▸ set s" in app.lines()[0]
        await pilot.press("right")
        assert len(app.lines()) == 7
        await pilot.press("z")
        assert len(app.lines()) == 4
        await pilot.press("minus")
        assert len(app.lines()) == 2
        await pilot.press("plus")
        assert len(app.lines()) == 7


async def test_under_a_filter_a_set_says_how_many_of_its_jobs_match() -> None:
    app = ListApp()
    async with app.run_test(size=(160, 12)) as pilot:
        app.show(job_set("s", *[Status.QUEUED] * 3, *[Status.DONE] * 4))
        app.jobs.focus()
        await pilot.press("left")
        assert "7 jobs: 3 queued 4 done" in app.lines()[0]
        for text, count in (("queued", "3 of 7"), ("circuit", "7"), ("", "7")):
            app.board.filter_text = text
            app.jobs.pursue()
            await app.workers.wait_for_complete()
            assert app.lines()[0].split("set s")[1].lstrip() == f"{count} jobs: 3 queued 4 done"
        app.board.filter_text = "queued"
        app.jobs.pursue()
        await app.workers.wait_for_complete()
        app.show(job("s/5", Status.QUEUED, set_id="s", set_name="set s", index=5))
        assert "4 of 7 jobs: 4 queued 3 done" in app.lines()[0]


async def test_the_mouse_selects_folds_and_opens() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(job_set("s", *[Status.DONE] * 3))
        await pilot.pause()
        await pilot.click(JobList, offset=(10, 2))
        assert app.jobs.cursor == Entry("s", "s/1")
        await pilot.click(JobList, offset=(10, 9))
        assert app.jobs.cursor == Entry("s", "s/1")
        mark = next(slot.x for slot in app.jobs.slots if slot.column.id == "name")
        await pilot.click(JobList, offset=(mark, 0))
        assert len(app.lines()) == 1
        await pilot.click(JobList, offset=(10, 0), times=2)
        assert app.opened == 1


# -- repaints ----------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """Every region that a list was asked to paint again."""
    regions: list[Region] = []
    refresh = JobList.refresh

    def watch(self: JobList, *asked: Region, **options: bool) -> JobList:
        regions.extend(asked or [Region(0, 0, *self.size)])
        return refresh(self, *asked, **options)

    monkeypatch.setattr(JobList, "refresh", watch)
    return regions


async def test_only_changed_visible_lines_are_painted(watched: list[Region]) -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(100))
        await pilot.pause()
        watched.clear()
        app.show(job("j0003", Status.ERROR, name="job 3", created=NOW - 1003))
        assert watched == [Region(0, 3, SIZE[0], 1)]
        watched.clear()
        app.show(job("j0090", Status.ERROR, name="job 90", created=NOW - 1090))
        assert watched == []


async def test_a_second_that_changes_no_word_paints_nothing(watched: list[Region]) -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(8), job("young", created=NOW - 3))
        await pilot.pause()
        watched.clear()
        app.now += 1
        app.jobs.repaint()
        assert watched == [Region(0, 0, SIZE[0], 1)]


async def test_the_selected_row_differs_without_colour() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE):
        app.show(many(2))
        assert [line[0] for line in app.lines()] == ["▌", " "]


async def test_themes_change_the_styles() -> None:
    app = ListApp()
    async with app.run_test(size=SIZE) as pilot:
        app.show(many(2))
        await pilot.pause()
        dark = app.jobs.render_line(1)
        app.theme = "textual-light"
        await pilot.pause()
        light = app.jobs.render_line(1)
        assert light.text == dark.text
        assert light != dark


# -- pure rendering ----------------------------------------------------------------------------

_PLAIN = Style.null()


def test_a_strip_has_the_width_asked_for() -> None:
    line = (Piece(2, 3, "abc", _PLAIN), Piece(6, 2, "de", _PLAIN))
    assert strip_of(line, 10, _PLAIN).text == "  abc de  "
    assert strip_of(line, 7, _PLAIN).text == "  abc d"
    assert strip_of((), 3, _PLAIN).text == "   "
