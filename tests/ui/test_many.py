"""Sorting, marking and what is stale in the monitor; the agent is the test."""

from __future__ import annotations

import pytest
from textual.widgets import Button

from qtower import model
from qtower.model import CancelOutcome, Link, Status
from qtower.ui.app import TowerApp
from qtower.ui.freshness import is_stale
from qtower.ui.joblist import JobList
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.monitor import MonitorScreen
from tests.ui.conftest import (
    NOW,
    TestLink,
    Told,
    connected,
    job,
    job_set,
    rows,
    screen_text,
    until,
)


def listed(pilot_text: str) -> list[str]:
    """The names of the jobs, from the top."""
    return [
        line.split("name of ")[1].split()[0]
        for line in pilot_text.splitlines()
        if "name of" in line
    ]


# -- sorting -----------------------------------------------------------------------------------


async def test_s_sorts_by_the_next_column_and_turns(tower: TowerApp, tell: Told) -> None:
    told = [
        job("a", Status.QUEUED, queue_position=2, created=NOW - 10),
        job("b", Status.QUEUED, queue_position=9, created=NOW - 20),
        job("c", Status.DONE, created=NOW - 5),
        job("d", Status.QUEUED, queue_position=1, created=NOW - 30),
    ]
    async with tower.run_test(size=(100, 24)) as pilot:
        await tell(pilot, connected(), rows(told))
        assert listed(screen_text(pilot)) == ["c", "a", "b", "d"]
        assert "▲AGE" in screen_text(pilot)
        await pilot.press("j")  # on a, which it stays on
        tower.screen.query_one(JobList).action_sort("queue")
        await until(pilot, lambda: listed(screen_text(pilot)) == ["d", "a", "b", "c"])
        assert "▲QUEUE" in screen_text(pilot)
        await pilot.press("S")
        await until(pilot, lambda: listed(screen_text(pilot)) == ["b", "a", "d", "c"])
        assert "▼QUEUE" in screen_text(pilot)
        cursor = tower.screen.query_one(JobList).cursor
        assert cursor is not None and cursor.key == "a"
        await pilot.press("less_than_sign")
        await until(pilot, lambda: "▲STATUS" in screen_text(pilot))


async def test_a_title_and_the_palette_sort(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("b"), job("a", created=NOW - 90)))
        name = next(s for s in tower.screen.query_one(JobList).slots if s.column.id == "name")
        await pilot.click("#titles", offset=(name.x, 0))
        await until(pilot, lambda: listed(screen_text(pilot)) == ["a", "b"])
        await pilot.click("#titles", offset=(name.x, 0))
        await until(pilot, lambda: listed(screen_text(pilot)) == ["b", "a"])
        await pilot.press("ctrl+p", *"sort by shots")
        await until(pilot, lambda: "Sort the list by shots" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: tower.board.sort.column.id == "shots")


# -- marks -------------------------------------------------------------------------------------


async def test_marks_are_counted_and_stay(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        told = [job(f"k{number}", created=NOW - number) for number in range(3)]
        await tell(pilot, connected(), rows(told, job_set("s", Status.DONE, Status.DONE)))
        await pilot.press("space", "G", "up", "up", "space")
        await until(pilot, lambda: "3 marked" in screen_text(pilot))
        assert screen_text(pilot).count("◆") == 4  # a job, a set and its two
        await pilot.press("down", "space")
        await until(pilot, lambda: "2 marked" in screen_text(pilot))
        assert "◇" in screen_text(pilot)
        await pilot.press("slash", *"k1", "enter")
        await until(pilot, lambda: "2 marked, 2 hidden" in screen_text(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "3 marked, 2 hidden" in screen_text(pilot))
        await tell(pilot, rows(gone=["k0"]))
        await until(pilot, lambda: "2 marked, 1 hidden" in screen_text(pilot))
        await pilot.press("escape", "i")
        await until(pilot, lambda: set(tower.board.marks) == {"k2", "s/0"})
        assert screen_text(pilot).endswith("2 marked")
        await pilot.press("u")
        await until(pilot, lambda: "marked" not in screen_text(pilot))


async def test_a_range_is_marked(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows([job(f"k{n}", created=NOW - n) for n in range(9)]))
        await pilot.press("j", "space", "j", "j", "j", "v")
        await until(pilot, lambda: "4 marked" in screen_text(pilot))
        assert set(tower.board.marks) == {"k1", "k2", "k3", "k4"}


async def test_cancel_acts_on_the_marked_and_says_what_is_hidden(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    def answer(request: model.Cancel) -> CancelOutcome:
        late = request.key == "k2"
        outcome, status = ("too_late", Status.DONE) if late else ("cancelled", Status.CANCELLED)
        return CancelOutcome(key=request.key, outcome=outcome, message="", status=status)

    link.answers[model.Cancel] = answer
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        told = [job(f"k{n}", Status.QUEUED, created=NOW - n) for n in range(4)]
        await tell(pilot, connected(), rows(told, job("done", Status.DONE)))
        await pilot.press("a", "slash", *"k1", "enter")
        await until(pilot, lambda: "5 marked, 4 hidden" in screen_text(pilot))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        text = screen_text(pilot)
        assert "Cancel 4 marked jobs?" in text
        assert '4 of the marked are not listed under "k1"' in text
        assert tower.screen.query_one("#no", Button).has_focus
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        assert link.told == []
        await pilot.press("c")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        await pilot.press("y")
        sentence = "3 of 4 jobs cancelled, 1 had ended already"
        await until(pilot, lambda: sentence in screen_text(pilot).replace("\n", ""), sentence)
        assert set(tower.board.marks) == {"done"}


async def test_marked_jobs_that_have_ended_cannot_be_cancelled(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        await tell(pilot, connected(), rows(job("a"), job("b")))
        await pilot.press("a", "c")
        await until(pilot, lambda: "All marked jobs have ended" in screen_text(pilot))


# -- what is told to the agent, and what is stale ----------------------------------------------


async def test_the_agent_hears_what_is_looked_at_only_when_it_changed(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    link.answers[model.Look] = lambda request: connected().connection
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a"), job("b", created=NOW - 90)))
        looked = model.Look(keys=["a", "b"], cursor="a")
        await until(pilot, lambda: looked in link.asked)
        asked = len(link.asked)
        await tell(pilot, rows(job("a", Status.ERROR)), connected())
        await pilot.pause(0.6)
        assert len(link.asked) == asked
        await pilot.press("j", "k", "j")
        await until(pilot, lambda: link.asked[-1] == model.Look(keys=["a", "b"], cursor="b"))
        assert len(link.asked) <= asked + 2


LIVE = connected(fresh_for=10.0).connection


@pytest.mark.parametrize(
    ("ended", "confirmed", "connection", "now", "stale"),
    [
        (True, None, None, NOW, False),
        (False, None, None, NOW, True),
        (False, None, LIVE, NOW + 9, False),
        (False, None, LIVE, NOW + 11, True),
        (False, NOW + 5, LIVE, NOW + 11, False),
        (False, NOW, connected(Link.OFFLINE, fresh_for=10.0).connection, NOW + 60, True),
        (False, NOW, connected(Link.OFFLINE).connection, NOW + 1, True),
        (False, None, connected(Link.STARTING).connection, NOW, True),
        # The clock was set back by a minute.
        (False, NOW + 60, LIVE, NOW, False),
        (False, NOW + 60, connected(Link.OFFLINE, fresh_for=10.0).connection, NOW, True),
    ],
)
def test_what_is_stale(
    ended: bool,
    confirmed: float | None,
    connection: model.Connection | None,
    now: float,
    stale: bool,
) -> None:
    assert is_stale(ended, confirmed, connection, now) is stale


async def test_what_is_stale_is_dim(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        told = rows(
            job("a", Status.RUNNING), job("b", created=NOW - 90), job("c", created=NOW - 99)
        )
        await tell(pilot, connected(fresh_for=10.0), told)
        jobs = tower.screen.query_one(JobList)
        styles = [segment.style for segment in jobs.render_line(0)]
        ended = [segment.style for segment in jobs.render_line(1)]
        await tell(pilot, connected(confirmed=NOW - 60, fresh_for=10.0))
        jobs.repaint()
        assert [segment.style for segment in jobs.render_line(0)] != styles
        assert [segment.style for segment in jobs.render_line(1)] == ended


# -- small terminals, thin lines ---------------------------------------------------------------


async def test_a_notice_covers_no_row_of_a_small_terminal(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(40, 12), notifications=True) as pilot:
        await tell(pilot, connected(), rows([job(f"k{n}", created=NOW - n) for n in range(30)]))
        tower.say("warning", "A title", "A sentence that is longer than a line of this terminal.")
        await until(pilot, lambda: "A sentence" in screen_text(pilot))
        text = screen_text(pilot)
        for number in range(9):
            assert f"name of k{number}" in text
        assert "A title" not in text
