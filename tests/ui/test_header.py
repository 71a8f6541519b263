"""The header and the words in place of an empty list."""

from __future__ import annotations

import time

import pytest
from rich.cells import cell_len

from qtower.agent.link import SILENT
from qtower.model import Link, Status
from qtower.ui.header import Standing, connection_words, count_sentence, header_lines
from qtower.ui.situation import situation, too_small
from tests.ui.conftest import NOW, connected


def standing(link: Link = Link.LIVE, **fields: object) -> Standing:
    return Standing("lab", connected(link, **fields).connection)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Standing("lab"), "starting: reading the journal"),
        (standing(Link.STARTING), "starting: loading the provider"),
        (standing(Link.STARTING, detail="starting the service"), "starting: starting the service"),
        (standing(), "live"),
        (standing(confirmed=NOW - 2), "live"),
        (standing(confirmed=NOW - 12, fresh_for=3.0), "12 s old"),
        (standing(confirmed=NOW - 12), "12 s old"),
        (standing(confirmed=NOW - 12, fresh_for=15.0), "live"),
        (standing(slowed="busy."), "live; slow: busy."),
        (
            standing(confirmed=NOW - 200, slowed="busy.", slowed_since=NOW - 200),
            "3 min old; slow since 22:10: busy.",
        ),
        (standing(confirmed=None), "live: reading the jobs"),
        (standing(Link.OFFLINE, detail="no route"), "offline since 22:13: no route"),
        (standing(Link.REFUSED, detail="bad token"), "login refused since 22:13: bad token"),
        (Standing("lab", agent_up=False, agent_detail="It ended."), "agent restarting: It ended."),
        (
            Standing("lab", agent_up=False, agent_detail="It ended.", agent_since=NOW),
            "agent restarting since 22:13: It ended.",
        ),
        (
            Standing("lab", agent_up=False, agent_detail=SILENT, agent_since=NOW - 60),
            "the agent does not answer since 22:12",
        ),
    ],
)
def test_the_connection_in_words(known: Standing, words: str) -> None:
    assert connection_words(known, NOW).text == words


@pytest.mark.parametrize("width", [1, 20, 40, 80, 160])
@pytest.mark.parametrize("height", [1, 2])
def test_the_header_fits(width: int, height: int) -> None:
    known = standing(Link.OFFLINE, detail="a long reason \x1b[31m with 宽字符 " * 5)
    lines = header_lines(known, {Status.DONE: 3, Status.ERROR: 2}, 1, NOW, width, height)
    assert len(lines) == height
    for line in lines:
        text = "".join(part.text for part in line)
        assert cell_len(text) <= width
        assert "\x1b" not in text


def test_the_calls_of_an_account_elsewhere_are_shown() -> None:
    def text(width: int, height: int, **fields: object) -> str:
        known = standing(Link.LIVE, calls_used=38, calls_allowed=60, **fields)
        return "".join(part.text for part in header_lines(known, {}, None, NOW, width, height)[0])

    assert (
        text(80, 2, local_service=False) == " qtower  lab  http://127.0.0.1:8000/api  38/60  live"
    )
    assert text(40, 2, local_service=False) == " qtower  lab  http://127.0…  38/60  live"
    assert text(30, 2, local_service=False) == " qtower  lab  38/60  live"
    assert text(40, 1, local_service=False).startswith(" qtower  lab  38/60  live")
    assert "38/60" not in text(80, 2)


def test_it_is_said_since_when_the_journal_is_not_written() -> None:
    known = standing(unwritten=NOW - 120)
    for width, height in ((40, 2), (80, 2), (80, 1)):
        line = header_lines(known, {}, None, NOW, width, height)[0]
        assert ("  nothing kept since 22:11", "bad") in line
    assert "kept" not in str(header_lines(standing(), {}, None, NOW, 80, 2))


def test_the_header_names_account_endpoint_and_counts() -> None:
    lines = header_lines(standing(), {Status.DONE: 3, Status.RUNNING: 2}, None, NOW, 80, 2)
    assert ["".join(part.text for part in line).split("  ") for line in lines] == [
        [" qtower", "lab", "local service", "live"],
        [" 5 jobs: 2 running 3 done"],
    ]
    remote = standing(local_service=False)
    assert "http://127.0.0.1:8000/api" in str(header_lines(remote, {}, None, NOW, 80, 2))
    assert "4 of 5 jobs" in str(header_lines(remote, {Status.DONE: 5}, 4, NOW, 80, 1))


@pytest.mark.parametrize(
    ("matching", "doing", "words"),
    [
        (None, "", "5 jobs: 5 done"),
        (4, "", "4 of 5 jobs: 5 done"),
        (4, "filtering", "filtering 5 jobs: 5 done"),
        (None, "sorting", "sorting 5 jobs: 5 done"),
        (4, "sorting", "sorting 4 of 5 jobs: 5 done"),
    ],
)
def test_the_header_says_what_is_done_with_the_jobs(
    matching: int | None, doing: str, words: str
) -> None:
    assert count_sentence({Status.DONE: 5}, matching, doing) == words


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (80, " 101544 jobs: 1 starting 89716 done 5821 error 69 not sent 5937 c…  70 unsent: U"),
        (160, " 101544 jobs: 1 starting 89716 done 5821 error 69 not sent 5937 cancelled"),
        (28, " 101544 jobs:…  70 unsent: U"),
    ],
)
def test_on_a_narrow_screen_the_counts_give_way_to_what_waits_for_a_person(
    width: int, words: str
) -> None:
    counts = {
        Status.INITIALIZING: 1,
        Status.DONE: 89716,
        Status.ERROR: 5821,
        Status.SUBMIT_FAILED: 69,
        Status.CANCELLED: 5937,
    }
    line = header_lines(standing(), counts, None, NOW, width, 2, sending="70 unsent: U")[1]
    text = "".join(part.text for part in line)
    assert text.startswith(words)
    assert text.endswith("  70 unsent: U")
    assert cell_len(text) <= width

    long = header_lines(standing(), counts, None, NOW, 40, 2, sending="sending a-sweep 12/40" * 3)
    assert "".join(part.text for part in long[1]).startswith(" 101544 jobs: 1 sta…  sending a-s")


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Standing("lab"), "Reading the journal."),
        (standing(Link.STARTING), "Connecting to the local service."),
        (standing(Link.REFUSED, detail="bad token"), "bad token"),
        (standing(Link.OFFLINE, detail="no route"), "no route"),
        (standing(confirmed=None), "Reading the jobs."),
        (standing(), "Press  d"),
        (Standing("lab", agent_up=False, agent_detail="It died."), "It died."),
    ],
)
def test_an_empty_list_says_why(known: Standing, words: str) -> None:
    assert words in situation(known, 0, 0, "")
    assert situation(known, 1, 1, "") == ""


def test_a_filter_that_matches_nothing_says_how_to_leave_it() -> None:
    assert "Esc" in situation(standing(), 5, 0, "xyz")


@pytest.mark.parametrize(("size", "small"), [((40, 10), False), ((39, 10), True), ((80, 9), True)])
def test_a_terminal_that_is_too_small_is_told(size: tuple[int, int], small: bool) -> None:
    assert bool(too_small(*size)) is small
