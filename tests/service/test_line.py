"""The queue's line: order, positions, workers and estimates."""

from __future__ import annotations

import time

import pytest

from qtower.service.line import Line, Place

BACKEND = "ibmq_lima"


def line_of(*jobs: str, workers: int = 1, runs: tuple[float, ...] = ()) -> Line:
    line = Line(workers, runs)
    for number, job in enumerate(jobs):
        line.join(number, job, BACKEND)
    return line


def position(line: Line, place_in_line: int) -> int | None:
    place = line.place(place_in_line)
    return place.position if place else None


def test_first_come_first_served_and_no_more_than_there_are_workers() -> None:
    line = line_of("a", "b", "c", workers=2)
    assert [line.take(), line.take(), line.take()] == ["a", "b", None]
    line.began("a", time.time())
    assert line.take() is None
    line.ended("a", 1.0)
    assert line.take() == "c"


def test_a_job_is_first_until_it_really_runs() -> None:
    line = line_of("a", "b")
    line.take()
    assert [position(line, 0), position(line, 1)] == [1, 2]
    line.began("a", time.time())
    assert [position(line, 0), position(line, 1)] == [None, 1]


def test_who_comes_back_keeps_the_place() -> None:
    line = line_of("a", "b")
    line.take()
    line.began("a", time.time())
    line.ended("a")
    line.join(0, "a", BACKEND)
    assert position(line, 0) == 1
    assert line.take() == "a"


def test_leaving_moves_the_others_up() -> None:
    line = line_of("a", "b", "c")
    assert line.leave("b")
    assert not line.leave("b")
    assert [position(line, n) for n in range(3)] == [1, None, 2]
    assert line.length(BACKEND) == 2
    assert line.length("elsewhere") == 0


def test_without_experience_there_is_no_estimate() -> None:
    assert line_of("a").place(0) == Place(1, None, None)


def test_estimates_follow_the_usual_run_time_and_the_number_of_workers() -> None:
    line = line_of("a", "b", "c", "d", "e", workers=2, runs=(10.0,))
    now = time.time()
    expected = [0, 0, 10, 10, 20]
    for number, seconds in enumerate(expected):
        place = line.place(number)
        assert place is not None
        assert place.starts == pytest.approx(now + seconds, abs=1)
        assert place.ends == pytest.approx(now + seconds + 10, abs=1)


def test_estimates_count_what_is_left_of_running_jobs() -> None:
    line = line_of("a", "b", runs=(10.0,))
    line.take()
    line.began("a", time.time() - 4)
    place = line.place(1)
    assert place is not None
    assert place.starts == pytest.approx(time.time() + 6, abs=1)
