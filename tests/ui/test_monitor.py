"""The monitor as a person uses it; the agent is the test."""

from __future__ import annotations

import queue
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from textual._compositor import ChopsUpdate, Compositor
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button, Input

from qtower import model
from qtower.agent.link import SILENT, LinkState
from qtower.errors import NetworkError
from qtower.model import CancelOutcome, Link, Sending, Status, UnsentSet
from qtower.ui.app import TowerApp
from qtower.ui.arranging import AT_ONCE
from qtower.ui.header import Header
from qtower.ui.joblist import JobList
from qtower.ui.listing import Entry
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.help import HelpScreen
from qtower.ui.screens.leaving import LeaveScreen
from qtower.ui.screens.monitor import MonitorScreen
from qtower.ui.screens.submit import SubmitScreen
from qtower.ui.signs import UNICODE
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

SIZES = [(80, 24), (160, 48)]


def notices(app: TowerApp) -> str:
    return "\n".join(f"{notice.title}: {notice.message}" for notice in app._notifications)


@pytest.mark.parametrize("size", SIZES)
async def test_an_empty_list_says_what_to_press(
    tower: TowerApp, tell: Told, size: tuple[int, int]
) -> None:
    async with tower.run_test(size=size) as pilot:
        await until(pilot, lambda: "Reading the journal" in screen_text(pilot))
        await tell(pilot, connected())
        text = screen_text(pilot)
        assert "Press  d  to submit the sample circuits" in text
        assert "local service  live" in text
        assert " d samples  n submit " in text


async def test_the_first_picture_has_the_jobs_of_the_journal(
    tower: TowerApp, link: TestLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: list[str] = []
    draw = TowerApp._display

    def watch(app: TowerApp, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(screen, MonitorScreen):
            pictures.append("\n".join(strip.text for strip in screen._compositor.render_strips()))
        draw(app, screen, renderable)

    monkeypatch.setattr(TowerApp, "_display", watch)
    async with tower.run_test(size=(80, 24)) as pilot:
        link.on_event(rows(job("6562aaaa", name="sweep")))
        await until(pilot, lambda: bool(pictures))
    assert "sweep" in pictures[0]


async def test_the_keys_of_the_list_work_after_it_was_empty(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        for key in ("a", "b"):
            await tell(pilot, connected(), rows(job(f"{key}1"), job(f"{key}2")))
            await pilot.press("j", "space")
            await until(pilot, lambda: "1 marked" in screen_text(pilot), "mark")
            await tell(pilot, model.Rows(gone=[f"{key}1", f"{key}2"]))
            await until(pilot, lambda: "There are no jobs yet" in screen_text(pilot), "empty")


@pytest.mark.parametrize("size", SIZES)
async def test_d_submits_the_samples_once(
    tower: TowerApp, link: TestLink, tell: Told, size: tuple[int, int]
) -> None:
    def send(request: model.SubmitSamples) -> model.Submitted:
        link.on_event(rows(job_set("samples", Status.INITIALIZING, Status.INITIALIZING)))
        return model.Submitted(set_id="samples", name="qtower samples", keys=["a", "b"])

    link.answers[model.SubmitSamples] = send
    async with tower.run_test(size=size) as pilot:
        await tell(pilot, connected())
        await pilot.press("d")
        await until(pilot, lambda: "circuit 1" in screen_text(pilot))
        assert "2 jobs: 2 starting" in screen_text(pilot)
        await pilot.press("d")
        assert "while the list is empty" in notices(tower)
        assert link.told == [model.SubmitSamples()]


async def test_rows_counts_and_a_line_for_each_job(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(
            pilot,
            connected(),
            rows(job_set("s", Status.DONE, Status.RUNNING), job("x", Status.ERROR)),
        )
        text = screen_text(pilot)
        assert "3 jobs: 1 running 1 done 1 error" in text
        assert "▾ set s" in text
        await tell(pilot, rows(job("x", Status.CANCELLED), gone=["s/0"]))
        assert "2 jobs: 1 running 1 cancelled" in screen_text(pilot)


@pytest.mark.parametrize(
    ("key", "tab"),
    [("enter", "summary"), ("r", "result"), ("e", "error"), ("o", "qobj")],
)
async def test_keys_that_open_details(tower: TowerApp, tell: Told, key: str, tab: str) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job_set("s", Status.DONE, Status.DONE)))
        await pilot.press(key)
        assert isinstance(tower.screen, MonitorScreen)  # a set has no details of its own
        if key == "enter":
            assert len(tower.board.entries) == 1
            await pilot.press(key)
        else:
            assert "go to one of its jobs first" in notices(tower)
        await pilot.press("j", key)
        await until(pilot, lambda: isinstance(tower.screen, DetailsScreen))
        assert tower.screen.key == "s/0"  # type: ignore[attr-defined]
        await tell(pilot, rows(job("s/0", Status.ERROR, set_id="s", index=0)))
        await pilot.press("escape")
        await until(pilot, lambda: "✗ ERROR" in screen_text(pilot))


async def test_n_opens_the_submission(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected())
        await pilot.press("n")
        await until(pilot, lambda: isinstance(tower.screen, SubmitScreen))


# -- cancel ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["enter", "n", "escape"])
async def test_cancel_asks_by_name_and_no_is_the_default(
    tower: TowerApp, link: TestLink, tell: Told, answer: str
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("id77", Status.RUNNING, label="Long [/b]")))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        await pilot.pause()
        text = screen_text(pilot)
        for fact in ("Cancel this job?", "Long [/b]", "id77", "RUNNING", "ibmq_qasm_simulator"):
            assert fact in text
        assert tower.screen.query_one("#no", Button).has_focus
        await pilot.press(answer)
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        assert link.told == []


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (("cancelled", "", Status.CANCELLED), "Long was cancelled."),
        (("too_late", "", Status.DONE), "Too late: Long is DONE already."),
        (("refused", "Not yours.", Status.RUNNING), "Long was not cancelled: Not yours."),
    ],
)
@pytest.mark.parametrize("keys", [["y"], ["right", "enter"]])
async def test_the_outcome_of_a_cancel_is_shown(
    tower: TowerApp,
    link: TestLink,
    tell: Told,
    keys: list[str],
    outcome: tuple[str, str, Status],
    words: str,
) -> None:
    link.answers[model.Cancel] = lambda request: CancelOutcome(
        key=request.key, outcome=outcome[0], message=outcome[1], status=outcome[2]
    )
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("k", Status.RUNNING, label="Long")))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        await pilot.press(*keys)
        await until(pilot, lambda: words in notices(tower), words)
        assert link.told == [model.Cancel(key="k")]


async def test_cancel_on_a_set_counts_its_unfinished_jobs(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    def answer(request: model.Cancel) -> CancelOutcome:
        if request.key == "s/3":
            raise NetworkError("No answer.")
        return CancelOutcome(
            key=request.key, outcome="cancelled", message="", status=Status.CANCELLED
        )

    link.answers[model.Cancel] = answer
    statuses = [Status.DONE, Status.RUNNING, Status.QUEUED, Status.QUEUED]
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job_set("s", *statuses)))
        await pilot.press("c")
        await until(pilot, lambda: "Cancel 3 jobs of this set?" in screen_text(pilot))
        await pilot.press("y")
        sentence = "set s: 2 of 3 jobs cancelled, 1 refused: No answer."
        await until(pilot, lambda: sentence in notices(tower), notices(tower))
        assert {request.key for request in link.asked if isinstance(request, model.Cancel)} == {
            "s/1",
            "s/2",
            "s/3",
        }


async def test_jobs_that_vanish_while_the_question_is_open_are_left_alone(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("k", Status.RUNNING)))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        await tell(pilot, rows(gone=["k"]))
        await pilot.press("y")
        await until(pilot, lambda: "not listed any more" in notices(tower))
        assert link.told == []


async def test_what_has_ended_cannot_be_cancelled(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job_set("s", Status.DONE, Status.ERROR)))
        await pilot.press("c", "j", "c")
        assert "All jobs of this set have ended" in notices(tower)
        assert "circuit 0 is DONE already" in notices(tower)


async def test_keys_on_an_empty_list_say_why_not(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected())
        await pilot.press("c", "r", "e", "o", "enter", "space", "left", "j", "G")
        assert notices(tower).count("There is no job in the list yet.") == 5


async def test_a_terminal_that_is_too_small_says_so_alone(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        await tell(pilot, connected())
        await pilot.press("c")
        await until(pilot, lambda: "There is no job" in screen_text(pilot))
        await pilot.resize_terminal(30, 8)
        await until(pilot, lambda: "This terminal is 30x8" in screen_text(pilot))
        assert "There is no job" not in screen_text(pilot)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "There is no job" in screen_text(pilot))


# -- filter ------------------------------------------------------------------------------------


async def test_filter_keeps_with_enter_and_clears_with_escape(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a", label="Bell"), job("b", label="Grover")))
        await pilot.press("slash", *"bell")
        await until(pilot, lambda: "Grover" not in screen_text(pilot))
        assert "1 of 2 jobs" in screen_text(pilot)
        await pilot.press("enter")
        assert tower.screen.query_one(JobList).has_focus
        assert "filter: bell" in screen_text(pilot)
        assert tower.screen.query_one(JobList).cursor == Entry("", "a")
        await pilot.press("escape")
        await until(pilot, lambda: "Grover" in screen_text(pilot))
        assert "filter:" not in screen_text(pilot)
        assert tower.screen.query_one(JobList).cursor == Entry("", "a")


async def test_a_filter_far_down_a_long_list_shows_a_neighbour_and_leads_back(
    tower: TowerApp, tell: Told
) -> None:
    told = [
        job(f"k{n}", label="rare" if n % 50 == 0 else "job", created=NOW - n) for n in range(1000)
    ]
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(told))
        jobs = tower.screen.query_one(JobList)
        await pilot.press("G", *["k"] * 50)
        assert jobs.cursor == Entry("", "k949")
        await pilot.press("slash", *"rare", "enter")
        await until(pilot, lambda: "20 of 1000 jobs" in screen_text(pilot))
        await until(pilot, lambda: jobs.cursor == Entry("", "k950"))
        await pilot.press("escape")
        await until(pilot, lambda: jobs.cursor == Entry("", "k949"))
        await until(pilot, lambda: Entry("", "k949") in jobs.visible_entries)


async def test_letters_in_the_filter_are_letters(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        await pilot.press("slash", *"qcdn?")
        assert tower.screen.query_one("#filter", Input).value == "qcdn?"
        await until(pilot, lambda: 'No job matches "qcdn?"' in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "name of a" in screen_text(pilot))


async def test_while_another_order_is_made_the_header_says_so_and_the_titles_tell_the_old_one(
    tower: TowerApp, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = AT_ONCE + 1
    told = [job(f"k{n:03}", created=NOW - n) for n in range(count)]
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(told))
        may_go_on, work = False, tower.board.work
        monkeypatch.setattr(tower.board, "work", lambda seconds: may_go_on and work(seconds))
        for filtered in ("", f"{count} of "):
            titles, first = screen_text(pilot).splitlines()[2:4]
            await pilot.press("S")
            await until(pilot, partial(_stands, pilot, f" sorting {filtered}{count} jobs: "))
            # News come meanwhile, and still the rows are in the order that the titles tell.
            await tell(pilot, rows(job("k300", Status.ERROR, created=NOW - 300)))
            assert screen_text(pilot).splitlines()[2:4] == [titles, first]
            may_go_on = True
            await until(pilot, lambda: "sorting" not in screen_text(pilot))
            turned = titles.translate(str.maketrans("▲▼", "▼▲"))
            await until(pilot, partial(_stands, pilot, turned))
            assert screen_text(pilot).splitlines()[3] != first
            await pilot.press("slash", *"of", "enter")
            await until(pilot, lambda: f"{count} of {count} jobs" in screen_text(pilot))
            may_go_on = False


async def test_while_a_filter_is_looked_for_nobody_says_how_many_match(
    tower: TowerApp, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows([job(f"k{n}") for n in range(AT_ONCE + 1)]))
        may_go_on, work = False, tower.board.work
        monkeypatch.setattr(tower.board, "work", lambda seconds: may_go_on and work(seconds))
        for word, count in (("nothing", 0), ("name", AT_ONCE + 1)):
            may_go_on, found = False, f"{count} of {AT_ONCE + 1} jobs"
            await pilot.press("slash", *["backspace"] * 9, *word)
            await until(pilot, lambda: f"filtering {AT_ONCE + 1} jobs" in screen_text(pilot))
            assert f'No job matches "{word}"' not in screen_text(pilot)
            may_go_on = True
            await until(pilot, partial(_stands, pilot, found))
            assert (f'No job matches "{word}"' in screen_text(pilot)) is (count == 0)
            await pilot.press("enter")


def _stands(pilot: Pilot[Any], text: str) -> bool:
    return text in screen_text(pilot)


# -- connection --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("news", "words"),
    [
        (connected(Link.OFFLINE, detail="no route"), "offline since"),
        (connected(Link.REFUSED, detail="bad token"), "login refused since 22:13: bad token"),
        (connected(Link.STARTING), "starting: loading the provider"),
    ],
)
async def test_rows_stand_whatever_the_connection(
    tower: TowerApp, tell: Told, news: model.Connected, words: str
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")), news)
        assert words in screen_text(pilot)
        assert "name of a" in screen_text(pilot)


async def test_a_dead_agent_is_named_and_the_rows_stay(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        link.on_state(LinkState(up=False, detail="The agent ended: killed."))
        await until(
            pilot,
            lambda: "agent restarting since 22:13: The agent ended: killed." in screen_text(pilot),
        )
        assert "name of a" in screen_text(pilot)
        link.on_state(LinkState(up=True, restarts=1))
        await until(pilot, partial(_stands, pilot, "local service  starting: reading the journal"))
        assert "live" not in screen_text(pilot)
        assert "name of a" in screen_text(pilot)
        await tell(pilot, connected())
        assert "local service  live" in screen_text(pilot)


async def test_an_agent_that_answers_again_is_as_live_as_before(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        link.on_state(LinkState(up=False, detail=SILENT))
        await until(pilot, partial(_stands, pilot, "the agent does not answer since 22:13"))
        link.on_state(LinkState(up=True, detail="it answers again"))
        await until(pilot, partial(_stands, pilot, "local service  live"))


async def test_refresh_asks_and_a_failure_is_shown(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "This agent has no answer." in notices(tower))
        link.answers[model.Refresh] = lambda request: connected().connection
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "All jobs were read." in notices(tower))


async def test_notices_of_the_agent_are_shown_as_text(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        notice = model.Notice(level="warning", title="[b]odd", text="a [/b] \x1b[2J tag")
        await tell(pilot, notice)
        await until(pilot, lambda: "a [/b] ␛[2J tag" in screen_text(pilot))
        assert "[b]odd" in screen_text(pilot)


# -- the shell ---------------------------------------------------------------------------------


async def test_help_and_palette_open_and_close(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(tower.screen, HelpScreen))
        assert "Cancel the marked jobs; without marks" in screen_text(pilot)
        await pilot.press("q")
        assert isinstance(tower.screen, MonitorScreen)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Show the result (r)" in screen_text(pilot))
        await pilot.press(*"refresh", "enter")
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        await until(pilot, lambda: "This agent has no answer." in notices(tower))


async def test_under_a_dialog_only_what_changes_is_painted(
    tower: TowerApp, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tower.run_test(size=(160, 48)) as pilot:
        await tell(pilot, connected(), rows(job("6562aaaa", Status.QUEUED)))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(tower.screen, HelpScreen), "help")
        await pilot.pause(0.2)
        painted: set[int] = set()
        update = Compositor.render_partial_update

        def watch(compositor: Compositor) -> ChopsUpdate | None:
            result = update(compositor)
            if result is not None:
                painted.update(y for y, _, _ in result.spans)
            return result

        monkeypatch.setattr(Compositor, "render_partial_update", watch)
        monkeypatch.setattr(Compositor, "render_full_update", lambda *_, **__: pytest.fail())
        await tell(pilot, rows(job("6562aaaa", Status.ERROR)))
        await until(pilot, lambda: "✗ ERROR" in screen_text(pilot), "change below")
        await pilot.pause(0.2)
        assert painted == {1, 3}  # the counts in the header, and the job


async def test_what_is_drawn_within_a_batch_is_not_lost(tower: TowerApp, tell: Told) -> None:
    """Textual starts within one: a first picture that is thrown away must be drawn again."""
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        compositor = tower.screen._compositor
        with tower.batch_update():
            tower.screen.query_one(Header).refresh()
            compositor.update_widgets({tower.screen.query_one(Header)})
            tower.screen._compositor_refresh()
            assert compositor._dirty_regions
        await until(pilot, lambda: not compositor._dirty_regions, "the picture after the batch")


async def test_the_theme_can_be_chosen_from_the_palette(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        await pilot.press("ctrl+p", *"theme")
        await until(pilot, lambda: "Change the theme" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Search for themes" in screen_text(pilot))
        await pilot.press(*"textual-light")
        await until(pilot, lambda: "gruvbox" not in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: tower.theme == "textual-light")


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_quitting_closes_the_link(
    tower: TowerApp, link: TestLink, tell: Told, key: str
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected())
        await pilot.press(key)
    assert link.closed
    assert tower.return_code == 0


async def test_ctrl_c_quits_from_a_text_field_too(tower: TowerApp, link: TestLink) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", "a", "ctrl+c")
    assert link.closed


async def test_a_small_terminal_is_told_and_recovers(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(30, 8)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        assert "qtower needs 40x10" in screen_text(pilot).replace("\n", " ")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "name of a" in screen_text(pilot))


async def test_low_terminals_have_a_header_of_one_line(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 12)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        assert screen_text(pilot).splitlines()[0].endswith("live  1 job: 1 done")
        assert "STATUS" in screen_text(pilot).splitlines()[1]


async def test_thousands_of_rows_in_chunks(tower: TowerApp, tell: Told) -> None:
    chunks = [rows([job(f"k{c}-{i}", created=NOW - c) for i in range(1000)]) for c in range(5)]
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), *chunks)
        assert "5000 jobs: 5000 done" in screen_text(pilot)
        await pilot.press("G")
        assert tower.screen.query_one(JobList).cursor == tower.board.entries[-1]


async def test_a_slow_terminal_is_not_sent_more_than_it_takes(
    tower: TowerApp, link: TestLink, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a", Status.RUNNING)))
        waiting: queue.Queue[str] = queue.Queue()
        for _ in range(10):
            waiting.put("a screen")
        writer = SimpleNamespace(_queue=waiting)
        monkeypatch.setattr(tower._driver, "_writer_thread", writer, raising=False)
        for number in range(100):
            link.on_event(rows(job("a", Status.RUNNING, name=f"name {number}")))
        await pilot.pause(0.2)
        assert tower.news_waits
        assert "name of a" in screen_text(pilot)
        waiting.queue.clear()
        await until(pilot, lambda: "name 99" in screen_text(pilot))


async def test_without_colour_every_state_can_be_told(
    link: TestLink, monkeypatch: pytest.MonkeyPatch, tell: Told
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = TowerApp(link.connect, "local", clock=lambda: NOW)
    async with app.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows([job(status, status) for status in Status]))
        text = screen_text(pilot)
        for status in Status:
            assert f"{UNICODE.status[status]} {status.value}" in text
        assert text.count("▌") == 1


async def test_the_cursor_goes_to_what_was_submitted(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    sent = model.Submitted(set_id="new", name="new", keys=["new/0", "new/1"])
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        await tell(pilot, connected(), rows(*[job(f"k{number}") for number in range(60)]))
        await pilot.press("G", "n")
        await until(pilot, lambda: isinstance(tower.screen, SubmitScreen))
        await tell(pilot, rows(job_set("new", Status.INITIALIZING, Status.INITIALIZING)))
        tower.screen.dismiss(sent)
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        await until(pilot, lambda: tower.screen.query_one(JobList).cursor == Entry("new", ""))
        assert "new: 2 jobs are being sent." in notices(tower)


async def test_a_job_is_cancelled_from_its_details(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    link.answers[model.Cancel] = lambda request: CancelOutcome(
        key=request.key, outcome="cancelled", message="", status=Status.CANCELLED
    )
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        await tell(pilot, connected(), rows(job("a", Status.RUNNING)))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(tower.screen, DetailsScreen))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: "name of a was cancelled." in notices(tower))
        assert isinstance(tower.screen, DetailsScreen)


async def test_quitting_asks_while_jobs_are_still_being_sent(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        going = UnsentSet(set_id="s", name="s", backend="b", jobs=5, sent=3, state="sending")
        await tell(pilot, connected(), rows(job("a", Status.RUNNING)), Sending(sets=[going]))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(tower.screen, LeaveScreen))
        assert "2 jobs are still being sent." in screen_text(pilot)
        await pilot.press("enter")  # to stay has the focus
        await until(pilot, lambda: isinstance(tower.screen, MonitorScreen))
        assert tower.return_code is None
        await pilot.press("q")
        await until(pilot, lambda: isinstance(tower.screen, LeaveScreen))
        await pilot.press("ctrl+c")  # asked twice: leave
    assert link.closed
    assert tower.return_code == 0
