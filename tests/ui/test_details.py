"""The details screen: its title, its tabs, and how it follows the job."""

from __future__ import annotations

from typing import Any

import pytest

from qtower.errors import GoneError, JobStateError, NetworkError, ReadBeforeError
from qtower.model import (
    Details,
    ErrorReport,
    ExperimentError,
    Field,
    GetDetails,
    GetError,
    GetQobj,
    GetResult,
    Link,
    Request,
    Status,
    Step,
)
from qtower.ui.app import TowerApp
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.details.error import report_lines
from qtower.ui.screens.details.summary import field_lines
from qtower.ui.screens.details.timeline import timeline_lines
from qtower.ui.widgets.wording import bar, duration, local_time, size
from tests.ui.conftest import NOW, TestLink, Told, connected, job, rows, screen_text, until

# -- pure parts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.35, "350 ms"),
        (0.9999, "1.0 s"),
        (12.44, "12.4 s"),
        (59.99, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (100_000, "1 d 03 h"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_time_of_another_day_carries_its_date() -> None:
    assert len(local_time(NOW, NOW)) == len("HH:MM:SS.mmm")
    assert local_time(NOW - 200_000, NOW).startswith("2023-11-1")


@pytest.mark.parametrize(
    ("number", "words"), [(512, "512 B"), (4_400, "4.4 kB"), (56_000_000, "56.0 MB")]
)
def test_a_size_is_told_in_the_unit_that_fits(number: int, words: str) -> None:
    assert size(number) == words


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, ""), (1, "████"), (0.5, "██"), (0.0001, "▏"), (2, "████"), (0.28, "█▏")],
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_the_timeline_shows_how_long_each_step_took() -> None:
    steps = [
        Step(name="CREATING", at=NOW),
        Step(name="QUEUED", at=NOW + 1),
        Step(name="RUNNING", at=NOW + 5),
        Step(name="COMPLETED", at=NOW + 7),
    ]
    lines = timeline_lines(steps, 60, NOW, ended=True).plain.split("\n")
    assert [line.split()[0] for line in lines] == ["CREATING", "QUEUED", "RUNNING", "COMPLETED"]
    assert [line.count("█") for line in lines[:3]] == [7, 28, 14]
    assert "4.0 s" in lines[1]
    assert lines[-1].endswith("end")
    assert all(len(line) <= 60 for line in lines)
    assert "█" not in timeline_lines(steps, 38, NOW, ended=False).plain


def test_a_long_value_is_folded_in_its_own_column() -> None:
    fields = [Field(label="Tags", value="alpha beta " * 9), Field(label="Empty", value="")]
    lines = field_lines(fields, 40).plain.split("\n")
    assert lines[0].startswith("Tags   alpha")
    assert all(line.startswith(" " * 7) for line in lines[1:-1])
    assert all(len(line) <= 40 for line in lines)
    assert lines[-1].strip() == "Empty"


def test_an_error_report_is_shown_in_full_and_inert() -> None:
    report = ErrorReport(
        key="k",
        status=Status.ERROR,
        message="first\nsecond [/b] \x1b[2J",
        submit_error="refused",
        experiments=[ExperimentError(index=3, name="ghz", message="too wide")],
    )
    text = report_lines(report).plain
    assert "first\nsecond [/b] ␛[2J" in text
    assert text.index("refused") < text.index("first") < text.index("ghz") < text.index("too wide")


# -- the screen --------------------------------------------------------------------------------

KEY = "bell"
HOSTILE = "job [/b] \x1b[31m"


def details_of(request: GetDetails) -> Details:
    return Details(
        key=request.key,
        row=job(KEY),
        fields=[
            Field(label="Backend", value="ibmq_qasm_simulator"),
            Field(label="Odd", value="[/x]"),
        ],
        steps=[Step(name="CREATING", at=NOW), Step(name="COMPLETED", at=NOW + 2)],
        note="Offline: this is from the journal.",
    )


@pytest.fixture
def answering(link: TestLink) -> TestLink:
    """A link that knows details."""
    link.answers[GetDetails] = details_of
    return link


def asked(link: TestLink, kind: type[Request]) -> int:
    return sum(isinstance(request, kind) for request in link.asked)


async def test_title_and_summary(tower: TowerApp, answering: TestLink, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY, name=HOSTILE)))
        await tower.push_screen(DetailsScreen(KEY))
        await until(pilot, lambda: "ibmq_qasm_simulator" in screen_text(pilot))
        text = screen_text(pilot)
        assert text.splitlines()[0].split() == ["job", "[/b]", "␛[31m", "DONE", "bell"]
        assert "Offline: this is from the journal." in text
        assert "[/x]" in text


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"name": "night run", "label": "Bell"}, "Bell  (night run)"),
        ({"name": "Bell", "label": "Bell"}, "Bell"),
        ({"name": "night run", "label": ""}, "night run"),
        ({"name": "", "label": "Bell"}, "Bell"),
        ({"set_id": "s", "set_name": "sweep", "index": 3, "label": "Bell"}, "sweep #3  Bell"),
    ],
)
async def test_a_row_is_recognised_in_the_title_of_its_details(
    tower: TowerApp, answering: TestLink, tell: Told, fields: dict[str, Any], title: str
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY, **fields)))
        assert (fields["label"] or fields["name"]) in screen_text(pilot)
        await tower.push_screen(DetailsScreen(KEY))
        await until(pilot, lambda: "ibmq_qasm_simulator" in screen_text(pilot))
        assert screen_text(pilot).splitlines()[0].partition("  DONE")[0].strip() == title


async def test_keys_1_to_5_go_to_the_tabs_and_escape_goes_back(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY)))
        monitor = tower.screen
        screen = DetailsScreen(KEY)
        await tower.push_screen(screen)
        for key, name in (("2", "timeline"), ("3", "result"), ("5", "qobj"), ("1", "summary")):
            await pilot.press(key)
            await until(pilot, lambda name=name: screen.active_tab.id == f"tab-{name}")  # type: ignore[misc]
        await pilot.press("2")
        await until(pilot, lambda: "2.0 s in all" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: tower.screen is monitor)


async def test_it_follows_the_job_until_it_failed(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    answering.answers[GetError] = lambda request: ErrorReport(
        key=KEY, status=Status.ERROR, message="Qubit 7 does not exist. Error code: 1106."
    )
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY, Status.QUEUED, queue_position=3)))
        await tower.push_screen(DetailsScreen(KEY, "error"))
        await until(pilot, lambda: "Job is QUEUED at position 3." in screen_text(pilot))
        await tell(pilot, rows(job(KEY, Status.QUEUED, queue_position=2)))
        await until(pilot, lambda: "position 2." in screen_text(pilot))
        assert not asked(answering, GetError)
        await tell(pilot, rows(job(KEY, Status.ERROR)))
        await until(pilot, lambda: "Error code: 1106." in screen_text(pilot))
        assert "ERROR" in screen_text(pilot).splitlines()[0]


async def test_a_tab_is_read_when_it_is_first_seen_and_not_again(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    refused = JobStateError("The job was cancelled: it has no result.", "Submit it again.")

    def refuse(request: Any) -> Any:
        raise refused

    answering.answers[GetResult] = refuse
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY, Status.CANCELLED)))
        await tower.push_screen(DetailsScreen(KEY))
        await until(pilot, lambda: "Odd" in screen_text(pilot))
        assert not asked(answering, GetResult)
        await pilot.press("3")
        await until(pilot, lambda: "No result" in screen_text(pilot))
        assert "Submit it again." in screen_text(pilot)
        await pilot.press("1")
        await pilot.press("3")
        await until(pilot, lambda: "No result" in screen_text(pilot))
        assert asked(answering, GetResult) == 1


async def test_a_result_that_was_read_before_says_who_has_it(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    def read(request: Any) -> Any:
        raise ReadBeforeError("It gives it out once.", "Whoever read it first has the only copy.")

    answering.answers[GetResult] = read
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY)))
        await tower.push_screen(DetailsScreen(KEY))
        await pilot.press("3")
        await until(pilot, lambda: "has the only copy" in screen_text(pilot))
        assert "Read before" in screen_text(pilot)
        assert "Network" not in screen_text(pilot)


@pytest.mark.parametrize(("key", "request_type"), [("3", GetResult), ("5", GetQobj)])
async def test_what_the_endpoint_has_removed_is_not_blamed_on_the_network(
    tower: TowerApp, answering: TestLink, tell: Told, key: str, request_type: type[Request]
) -> None:
    def gone(request: Any) -> Any:
        raise GoneError("The qobj and result were removed at 2026-11-25 19:51 UTC.")

    answering.answers[request_type] = gone
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY)))
        await tower.push_screen(DetailsScreen(KEY))
        await pilot.press(key)
        await until(pilot, lambda: "removed at 2026-11-25 19:51 UTC." in screen_text(pilot))
        assert "Removed" in screen_text(pilot)
        assert "Network" not in screen_text(pilot)


async def test_what_failed_offline_is_read_again_when_the_line_is_back(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    def offline(request: Any) -> Any:
        raise NetworkError("127.0.0.1 does not answer.", "It is tried again.")

    answering.answers[GetDetails] = offline
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY)))
        await tower.push_screen(DetailsScreen(KEY))
        await until(pilot, lambda: "127.0.0.1 does not answer." in screen_text(pilot))
        answering.answers[GetDetails] = details_of
        await tell(pilot, connected(Link.LIVE))
        await until(pilot, lambda: "ibmq_qasm_simulator" in screen_text(pilot))


async def test_a_job_that_is_gone_is_named(tower: TowerApp, answering: TestLink) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tower.push_screen(DetailsScreen("lost"))
        await until(pilot, lambda: "Job lost is not in the list any more" in screen_text(pilot))


async def test_copying_takes_the_text_of_the_tab(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY)))
        await tower.push_screen(DetailsScreen(KEY))
        await until(pilot, lambda: "Odd" in screen_text(pilot))
        await pilot.press("y")
        assert tower.clipboard == "Backend: ibmq_qasm_simulator\nOdd: [/x]"


async def test_what_failed_is_asked_again_when_the_line_is_back_and_not_before(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    def refuse(request: GetResult) -> None:
        raise NetworkError("The endpoint answered 500.")

    def asked() -> int:
        return sum(isinstance(request, GetResult) for request in link.asked)

    link.answers[GetResult] = refuse
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, connected(), rows(job("a")))
        await pilot.press("r")
        await until(pilot, lambda: "answered 500" in screen_text(pilot))
        for _ in range(5):  # the desk confirms that it is live once a second
            await tell(pilot, connected())
        assert asked() == 1
        await tell(pilot, connected(Link.OFFLINE))
        await tell(pilot, connected())
        await until(pilot, lambda: asked() == 2)
