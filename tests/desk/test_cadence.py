"""Which jobs are read next, and how soon again."""

from __future__ import annotations

import pytest

from qtower.desk.cadence import LOCAL, REMOTE, Schedule, UsualTimes, cadence_for
from qtower.model import JobRow, Status

NOW = 1_000_000.0


def row(name: str, status: Status = Status.QUEUED, **fields: object) -> JobRow:
    known = {"backend": "b", "since": NOW - 1, **fields}
    return JobRow(key=f"set/{name}", job_id=name, status=status, **known)  # type: ignore[arg-type]


@pytest.fixture
def usual() -> UsualTimes:
    times = UsualTimes()
    times.learn([row("0", Status.DONE, run_seconds=40.0)])
    return times


@pytest.fixture
def schedule(usual: UsualTimes) -> Schedule:
    return Schedule(REMOTE, usual)


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        (row("1", queue_position=1), REMOTE.soon),
        (row("1", queue_position=3), 20.0),  # a quarter of two jobs of 40 s
        (row("1", queue_position=500), REMOTE.seldom),
        (row("1", queue_position=500, estimated_start=NOW + 60), 15.0),
        (row("1", Status.RUNNING, since=NOW), 10.0),
        (row("1", Status.RUNNING, since=NOW - 36), REMOTE.soon),
        (row("1", Status.RUNNING, since=NOW - 44), REMOTE.soon),
        (row("1", Status.RUNNING, since=NOW - 4000), REMOTE.seldom),  # it hangs
        (row("1", Status.RUNNING, backend="other", since=NOW), 7.5),
        (row("1", Status.VALIDATING, since=NOW), REMOTE.soon),
        (row("1", Status.INITIALIZING, since=NOW - 3600), REMOTE.seldom),
        (row("1", Status.UNKNOWN, since=None), REMOTE.soon),
    ],
)
def test_how_soon_a_job_is_read_again(job: JobRow, seconds: float, schedule: Schedule) -> None:
    assert schedule.seconds(job, NOW) == pytest.approx(seconds)


def test_what_is_looked_at_comes_first_and_more_often(schedule: Schedule) -> None:
    far = [row(str(place), queue_position=place) for place in range(400, 410)]
    schedule.read((job.job_id for job in far), 0.0)
    schedule.look(["set/403", "set/405", "set/406"], "set/405")
    assert schedule.due(far, 4.9, NOW) == []
    assert [job.job_id for job in schedule.due(far, 6.0, NOW)] == ["405"]
    assert [job.job_id for job in schedule.due(far, 16.0, NOW)] == ["405", "403", "406"]
    everything = [job.job_id for job in schedule.due(far, 121.0, NOW)]
    assert everything[:3] == ["405", "403", "406"]
    assert len(everything) == 10


def test_a_job_that_was_never_read_is_due(schedule: Schedule) -> None:
    assert schedule.due([row("new")], 0.0, NOW) == [row("new")]


def test_a_backends_usual_time_follows_its_last_jobs(usual: UsualTimes) -> None:
    for _ in range(50):
        usual.learn([row("1", Status.DONE, run_seconds=2.0)])
    assert usual.of("b") == pytest.approx(2.0, abs=0.01)
    assert usual.of("never seen") == pytest.approx(30.0)


def test_who_may_ask_seldom_asks_seldom() -> None:
    assert cadence_for(local=True, calls_per_minute=6000) == LOCAL
    assert cadence_for(local=False, calls_per_minute=600) == REMOTE
    slow = cadence_for(local=False, calls_per_minute=15)
    assert (slow.busy, slow.seldom, slow.details) == (20.0, 480.0, REMOTE.details)


def test_the_schedule_forgets_jobs_that_have_ended(schedule: Schedule) -> None:
    schedule.read((str(number) for number in range(1000)), 0.0)
    schedule.forget_all_but(["1", "2"])
    assert len(schedule._read) == 2
