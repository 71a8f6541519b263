"""The queue's line: order, positions, workers and estimates."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from qtower.service.line import Line, Place
from qtower.service.records import Owner
from qtower.service.reservations import Reservations
from qtower.service.settings import ReservationSettings, ServiceSettings

BACKEND = "ibmq_lima"
OWNER = Owner("owner", "ibm-q", "open", "main")


def line_of(*jobs: str, workers: int = 1, runs: tuple[float, ...] = ()) -> Line:
    line = Line(workers, runs)
    for number, job in enumerate(jobs):
        line.join(number, job, BACKEND, OWNER)
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
    line.join(0, "a", BACKEND, OWNER)
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


ADA = Owner("ada", "lab", "physics", "main")
BEN = Owner("ben", "lab", "physics", "main")


def shared_line(*, workers: int = 1, reservations: Reservations | None = None) -> Line:
    """Three of Ada's jobs came first, then two of Ben's."""
    line = Line(workers, (10.0,), reservations=reservations)
    for number, owner in enumerate((ADA, ADA, ADA, BEN, BEN)):
        line.join(number, f"{owner.user}{number}", BACKEND, owner)
    return line


def test_users_take_turns_and_positions_tell_so() -> None:
    line = shared_line()
    assert [position(line, number) for number in range(5)] == [1, 3, 5, 2, 4]
    order = []
    while (job_id := line.take()) is not None:
        order.append(job_id)
        line.began(job_id, time.time())
        line.ended(job_id, 10.0)
    assert order[:2] == ["ada0", "ben3"]
    assert len(order) == 5


def test_a_reserved_backend_runs_only_the_jobs_of_its_project() -> None:
    now = datetime.now(timezone.utc)
    held = ReservationSettings(
        backend=BACKEND,
        project="lab/teaching/main",
        start=now - timedelta(hours=1),
        end=now + timedelta(hours=1),
    )
    line = shared_line(reservations=Reservations(ServiceSettings(reservations=(held,))))
    assert line.take() is None
    change = line.next_reservation()
    assert change == pytest.approx(held.end.timestamp())
    place = line.place(0)
    assert place is not None
    assert place.starts == pytest.approx(held.end.timestamp(), abs=1)
    line.join(5, "teaching", BACKEND, Owner("cy", "lab", "teaching", "main"))
    assert line.take() == "teaching"


def test_more_workers_take_more_jobs_and_none_gives_no_estimate() -> None:
    line = shared_line(workers=0)
    assert line.take() is None
    place = line.place(0)
    assert place is not None
    assert place.starts is None
    line.set_workers(2)
    assert line.take() is not None
    assert line.take() is not None
    assert line.take() is None
