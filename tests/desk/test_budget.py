"""What an account may be asked, on a clock that only these tests move; and what is counted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qtower.desk.account import log_in
from qtower.desk.budget import Budget, Urgency, asking_as
from qtower.model import Link
from tests.conftest import Endpoint
from tests.desk.accounts import account_of, open_desk
from tests.desk.budgets import Clock
from tests.desk.conftest import wait_until
from tests.desk.hostile import Reply, Request, hostile


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spend(budget: Budget, count: int) -> None:
    for _ in range(count):
        budget.spend()


def test_the_poller_waits_until_there_is_something_left(clock: Clock) -> None:
    budget = Budget(60, clock)
    spend(budget, 19)
    assert budget.delay() == 0
    spend(budget, 1)
    assert budget.delay() == pytest.approx(1.5)
    clock.now += 0.9
    assert budget.delay() == pytest.approx(0.6)
    clock.now += 0.7
    assert budget.delay() == 0


def test_no_minute_has_more_than_it_may(clock: Clock) -> None:
    budget = Budget(60, clock)
    asked: list[float] = []
    for _ in range(6000):
        if not budget.delay():
            budget.spend()
            asked.append(clock.now)
        clock.now += 0.1
    assert len(asked) == pytest.approx(20 + 400, abs=1)
    for begin in asked:
        assert sum(begin <= at < begin + 60 for at in asked) <= 60


def test_a_person_borrows_and_the_poller_pays(clock: Clock) -> None:
    budget = Budget(60, clock)
    spend(budget, 20)
    for _ in range(30):
        budget.take()
    assert budget.used() == 50
    assert budget.delay() == pytest.approx(46.5)


def test_a_person_waits_when_a_minute_has_been_borrowed(clock: Clock) -> None:
    budget = Budget(60, clock)
    spend(budget, 80)
    served = threading.Event()

    def ask() -> None:
        budget.take()
        served.set()

    threading.Thread(target=ask, daemon=True).start()
    assert not served.wait(0.1)
    clock.now += 1.6
    assert served.wait(5)


def test_a_submission_waits_and_lets_the_poller_go_before(clock: Clock) -> None:
    budget = Budget(60, clock)
    spend(budget, 20)
    served = threading.Event()

    def ask() -> None:
        with asking_as(Urgency.SUBMISSION):
            budget.take()
            served.set()

    assert budget.delay() > 0  # the poller stands in line
    threading.Thread(target=ask, daemon=True).start()
    clock.now += 1.6
    assert not served.wait(0.1)
    assert budget.delay() == 0
    spend(budget, 1)
    clock.now += 1.6
    assert served.wait(5)


def test_a_poller_that_always_wants_leaves_a_submission_its_turns(clock: Clock) -> None:
    """One set stood at 1 of 6 sent for minutes: the poller took each request as it came."""
    budget = Budget(60, clock)
    spend(budget, 20)
    sent, polled = threading.Semaphore(0), 0
    wanted = 12

    def submit() -> None:
        with asking_as(Urgency.SUBMISSION):
            for _ in range(wanted):
                budget.take()
                sent.release()

    threading.Thread(target=submit, daemon=True).start()
    served = 0
    for _ in range(600):  # steps of 0.1 s, at 2/3 of a request a second
        wait_until(lambda: budget._submissions)
        if not budget.delay():
            spend(budget, 1)
            polled += 1
        clock.now += 0.1
        if served < wanted and budget.wait() == 0:
            with budget._changed:
                budget._changed.notify_all()  # the clock of this test wakes nobody
            assert sent.acquire(timeout=5)
            served += 1
            if served == wanted:
                break
    assert served == wanted
    assert 3 <= polled <= 5, "three of a submission, then one of the poller"


def test_the_poller_reads_as_many_details_as_there_is_room_for(clock: Clock) -> None:
    budget = Budget(60, clock)
    spend(budget, 17)
    assert budget.room() == 3
    spend(budget, 10)
    assert budget.room() == 0
    assert Budget(clock=clock).room() is None


def test_an_endpoint_that_wants_peace_is_left_alone_but_for_persons(clock: Clock) -> None:
    budget = Budget(60, clock)
    budget.hold(30)
    assert budget.delay() == pytest.approx(30)
    budget.take()
    clock.now += 30
    assert budget.delay() == 0


def test_what_was_asked_is_forgotten_after_a_minute(clock: Clock) -> None:
    budget = Budget(60, clock)
    spend(budget, 10)
    clock.now += 30
    spend(budget, 5)
    assert budget.used() == 15
    clock.now += 31
    assert budget.used() == 5


def test_a_budget_fills_up_to_a_minute_and_no_more(clock: Clock) -> None:
    budget = Budget(60, clock)
    clock.now += 3600
    spend(budget, 60)
    assert budget.delay() > 0
    budget.allow(600)
    assert budget.delay() == 0


def test_without_a_limit_nobody_waits(clock: Clock) -> None:
    budget = Budget(clock=clock)
    spend(budget, 100_000)
    assert budget.delay() == 0
    assert budget.used() == 100_000


def test_every_request_counts_with_its_repetitions() -> None:
    failures = [503, 503, 200, 503, 200]

    def sometimes(request: Request) -> Reply | None:
        if not request.path.endswith("/Jobs/status/v/1"):
            return None
        return Reply([], status=failures.pop(0))

    budget = Budget()
    with hostile(sometimes) as server:
        provider = log_in(server.account, budget)
        assert budget.used() == len(server.requests)
        with pytest.raises(Exception, match="503"):
            provider._api_client.list_jobs_statuses()
        assert budget.used() == len(server.requests)
        provider._api_client.list_jobs_statuses()
        provider._api_client.list_jobs_statuses()
        assert failures == []
        assert budget.used() == len(server.requests)


def test_an_account_elsewhere_keeps_to_its_calls(service: Endpoint, tmp_path: Path) -> None:
    """The local service at the pace of one far away, with little to spend."""
    from msgspec.structs import replace

    account = replace(account_of(service, local=False), calls_per_minute=20)
    with open_desk(lambda: account, tmp_path) as (_, ear):
        ear.until(lambda: ear.link is Link.LIVE)
        connection = wait_until(lambda: next((c for c in ear.links if c.calls_used), None))
        assert connection.calls_allowed == 20
        assert 0 < (ear.links[-1].calls_used or 0) <= 20
