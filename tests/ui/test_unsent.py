"""Jobs that are not sent yet: seen in the header, steered on a screen, asked about at the end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from qtower.errors import JobStateError
from qtower.model import (
    Coverage,
    FillHoles,
    GetCoverage,
    Hole,
    Sending,
    Status,
    Steer,
    SteerSet,
    Submitted,
    Unsent,
    UnsentSet,
)
from qtower.ui.app import TowerApp
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.coverage import CoverageScreen, fill_plan
from qtower.ui.screens.leaving import LeaveScreen
from qtower.ui.screens.monitor import MonitorScreen
from qtower.ui.screens.unsent import UnsentScreen
from qtower.ui.sending import sending_words
from tests.ui.conftest import NOW, TestLink, Told, connected, job_set, rows, screen_text, until

SIZES = [(80, 24), (160, 48)]


def unsent_set(set_id: str = "s", **fields: object) -> UnsentSet:
    values: dict[str, object] = {
        "name": f"sweep {set_id}",
        "backend": "ibmq_lima",
        "jobs": 12,
        "sent": 7,
        "created": NOW - 120,
    }
    return UnsentSet(set_id=set_id, **{**values, **fields})  # type: ignore[arg-type]


def notices(tower: TowerApp) -> str:
    return "\n".join(notification.message for notification in tower._notifications)


def steered(link: TestLink) -> list[tuple[str, Steer]]:
    return [(each.set_id, each.steer) for each in link.asked if isinstance(each, SteerSet)]


@pytest.mark.parametrize("size", SIZES)
async def test_an_offer_is_seen_and_stays_until_it_is_decided(
    tower: TowerApp, link: TestLink, tell: Told, size: tuple[int, int]
) -> None:
    link.answers[SteerSet] = lambda request: Unsent(sets=[])
    offered = unsent_set(refused=2)
    other = unsent_set("t", name="[b]\x1b]0;x\x07\u202eodd", jobs=3, sent=0)
    async with tower.run_test(size=size) as pilot:
        await tell(pilot, connected(), rows(job_set("s", Status.DONE, Status.DONE)))
        await tell(pilot, Sending(sets=[offered, other]))
        assert "8 unsent: U" in screen_text(pilot)
        await pilot.press("U")
        await until(pilot, lambda: isinstance(tower.screen, UnsentScreen))
        text = screen_text(pilot)
        assert "7 of 12 jobs reached the server" in text
        assert "5 jobs unsent, 2 of them refused" in text
        assert "none of 3 jobs reached the server" in text
        assert "\x1b" not in text and "[b]" in text
        await pilot.press("s")
        await until(pilot, lambda: steered(link) == [("s", Steer.SEND)])
        going = unsent_set(state="sending", sent=9, waits_for="waiting: ibmq_lima takes 5 jobs")
        await tell(pilot, Sending(sets=[going, other]))
        await until(pilot, lambda: "9 of 12 jobs reached the server" in screen_text(pilot))
        assert "waiting: ibmq_lima takes 5 jobs" in screen_text(pilot)
        await pilot.press("p", "x", "j", "l")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        await pilot.press("enter")  # No has the focus
        await pilot.press("l", "y")
        await until(pilot, lambda: len(steered(link)) == 4)
        assert steered(link)[1:] == [("s", Steer.PAUSE), ("s", Steer.STOP), ("t", Steer.LEAVE)]
        await tell(pilot, Sending())
        await until(pilot, lambda: "nothing is unsent" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        assert "unsent" not in screen_text(pilot)


async def test_what_cannot_be_done_is_said(tower: TowerApp, link: TestLink, tell: Told) -> None:
    def refuse(request: SteerSet) -> Unsent:
        raise JobStateError("Nobody sends this set at the moment.")

    link.answers[SteerSet] = refuse
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), Sending(sets=[unsent_set()]))
        await pilot.press("U")
        await until(pilot, lambda: isinstance(tower.screen, UnsentScreen))
        await pilot.press("p")
        await until(pilot, lambda: "Nobody sends this set" in notices(tower))


@pytest.mark.parametrize(("key", "steer"), [("b", Steer.BACKGROUND), ("s", Steer.STOP)])
async def test_quitting_hands_over_or_stops(
    tower: TowerApp, link: TestLink, tell: Told, key: str, steer: Steer
) -> None:
    link.answers[SteerSet] = lambda request: Unsent(sets=[])
    async with tower.run_test(size=(80, 24)) as pilot:
        sets = [unsent_set(state="sending"), unsent_set("t", state="background")]
        await tell(pilot, connected(), Sending(sets=sets))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(tower.screen, LeaveScreen))
        assert "5 jobs are still being sent." in screen_text(pilot)
        await pilot.press(key)
        await until(pilot, lambda: tower.return_code == 0)
    assert steered(link) == [("s", steer)]
    assert link.closed


async def test_what_was_not_handed_over_keeps_qtower_open(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), Sending(sets=[unsent_set(state="sending")]))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(tower.screen, LeaveScreen))
        await pilot.press("b")
        await until(pilot, lambda: "It was not handed over" in notices(tower))
        assert not link.closed


async def test_the_holes_of_a_set_are_shown_and_sent_once_more(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    found = Coverage(
        set_id="s",
        name="sweep",
        jobs=4,
        experiments=8,
        line="experiments 0-7, missing 2-5",
        with_result="0-1, 6-7",
        holes=[
            Hole(index=1, first=2, last=3, why="not sent", source="kept here"),
            Hole(index=2, first=4, last=5, why="deleted", source=""),
        ],
    )
    link.answers[GetCoverage] = lambda request: found
    link.answers[FillHoles] = lambda request: Submitted(set_id="s", name="sweep", keys=["s/1"])
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job_set("s", Status.DONE, Status.DONE)))
        await pilot.press("C")
        await until(pilot, lambda: isinstance(tower.screen, CoverageScreen))
        await until(pilot, lambda: "experiments 0-7, missing 2-5" in screen_text(pilot))
        assert "its qobj is nowhere" in screen_text(pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        assert "1 job of this set, as kept here: #1" in screen_text(pilot)
        assert "Not possible, the qobj is nowhere: #2" in screen_text(pilot)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        assert FillHoles(set_id="s") in link.asked
        assert fill_plan(replace(found, holes=[])) == (["This set has no holes."], 0)


def test_the_header_has_few_words_for_it() -> None:
    assert sending_words([]) == ""
    assert sending_words([unsent_set(state="sending")]) == "sending sweep s 7/12"
    many = [unsent_set(state="paused"), unsent_set("t", state="background"), unsent_set("u")]
    assert sending_words(many) == "paused sweep s 7/12, 1 more, 5 unsent: U"
