"""Who runs next: the rule of `qtower.service.fairshare`, without a service."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtower.service.fairshare import FairShare, Running, Waiting
from qtower.service.records import Owner
from qtower.service.settings import ServiceSettings

ADA = Owner("ada", "lab", "physics", "main")
BEN = Owner("ben", "lab", "physics", "main")
CYN = Owner("cyn", "lab", "chemistry", "main")
EVE = Owner("eve", "other", "open", "main")
NOW = 1_000_000.0


def line(*owners: Owner) -> list[Waiting]:
    """Jobs "0", "1", ... in the order in which they came."""
    return [Waiting(str(place), owner, place) for place, owner in enumerate(owners)]


def settings(text: dict[str, object]) -> ServiceSettings:
    return msgspec.convert(text, ServiceSettings)


def test_one_user_is_served_in_turn() -> None:
    assert FairShare().order(line(ADA, ADA, ADA)[::-1], [], NOW) == ["0", "1", "2"]


def test_users_take_turns_whoever_came_with_many() -> None:
    waiting = line(ADA, ADA, ADA, ADA, BEN, BEN)
    assert FairShare().order(waiting, [], NOW) == ["0", "4", "1", "5", "2", "3"]


def test_who_has_used_least_comes_first() -> None:
    share = FairShare()
    share.add(ADA, 10, NOW)
    assert share.order(line(ADA, BEN, BEN), [], NOW, 4.0) == ["1", "2", "0"]
    assert share.order(line(ADA, BEN, BEN, BEN, BEN), [], NOW, 4.0) == ["1", "2", "3", "0", "4"]


def test_what_was_used_is_forgotten_by_halves() -> None:
    share = FairShare(settings({"queue": {"share-seconds": 100.0}}))
    share.add(ADA, 8, NOW)
    share.add(BEN, 3, NOW + 200)
    waiting = line(BEN, ADA)
    assert share.order(waiting, [], NOW + 200) == ["1", "0"]  # 2 seconds are left of 8
    assert share.order(waiting, [], NOW + 100_000_000) == ["0", "1"]


def test_old_runs_may_be_counted_in_any_order() -> None:
    runs = [(ADA, 5.0, NOW), (ADA, 7.0, NOW - 900), (BEN, 9.5, NOW - 100)]
    one, other = FairShare(), FairShare()
    for run in runs:
        one.add(*run)
    for run in reversed(runs):
        other.add(*run)
    assert one.priorities(CYN, NOW) == other.priorities(CYN, NOW)
    assert one.priorities(ADA, NOW).group == pytest.approx(other.priorities(ADA, NOW).group)


def test_running_jobs_count() -> None:
    running = [Running(ADA, NOW - 5), Running(ADA, None)]
    assert FairShare().order(line(ADA, BEN), running, NOW) == ["1", "0"]


def test_weights_divide_the_time() -> None:
    share = FairShare(settings({"users": {"ben": {"weight": 3.0}}}))
    order = share.order(line(*[ADA] * 100, *[BEN] * 100), [], NOW)
    first = Counter("ada" if int(job) < 100 else "ben" for job in order[:40])
    assert first == {"ada": 10, "ben": 30}


def test_hubs_before_groups_before_users() -> None:
    """Two users of one group share what one user of another group has alone."""
    waiting = line(*[ADA] * 20, *[BEN] * 20, *[CYN] * 20, *[EVE] * 20)
    owners = {job.job_id: job.owner.user for job in waiting}
    order = FairShare().order(waiting, [], NOW)
    first = Counter(owners[job] for job in order[:16])
    assert first == {"eve": 8, "cyn": 4, "ada": 2, "ben": 2}


def test_priorities_are_those_of_what_was_used() -> None:
    share = FairShare()
    fresh = share.priorities(ADA, NOW)
    assert (fresh.hub, fresh.group, fresh.project) == (1.0, 1.0, 1.0)
    share.add(ADA, 30, NOW)
    alone = share.priorities(ADA, NOW)
    assert (alone.hub, alone.group, alone.project) == (1.0, 1.0, 1.0)
    share.add(CYN, 10, NOW)
    share.add(EVE, 20, NOW)
    ada, eve = share.priorities(ADA, NOW), share.priorities(EVE, NOW)
    assert ada.hub == pytest.approx(30 / 40)
    assert ada.group == pytest.approx(20 / 30)
    assert ada.project == 1.0
    assert eve.hub == 1.0
    assert share.priorities(CYN, NOW).group == 1.0


OWNERS = st.builds(
    Owner,
    st.sampled_from(["u", "v", "w"]),
    st.sampled_from(["h", "i"]),
    st.sampled_from(["g", "f"]),
    st.sampled_from(["p", "q"]),
)
RUNS = st.lists(st.tuples(OWNERS, st.floats(0, 1e6), st.floats(0, 2e6)), max_size=20)


@given(st.lists(OWNERS, max_size=40), RUNS, st.lists(OWNERS, max_size=4))
def test_everybody_is_in_the_order_once_and_in_turn(
    owners: list[Owner], runs: list[tuple[Owner, float, float]], busy: list[Owner]
) -> None:
    share = FairShare()
    for run in runs:
        share.add(*run)
    waiting = line(*owners)
    running = [Running(owner, NOW - 1) for owner in busy]
    order = share.order(waiting, running, NOW)
    assert sorted(order) == sorted(job.job_id for job in waiting)
    for owner in set(owners):
        of_owner = [int(job) for job in order if owners[int(job)] == owner]
        assert of_owner == sorted(of_owner)
        priorities = share.priorities(owner, NOW)
        for priority in (priorities.hub, priorities.group, priorities.project):
            assert 0 < priority <= 1


@given(st.integers(2, 8), st.integers(1, 30))
def test_nobody_is_ahead_of_an_equal_by_more_than_one_job(users: int, jobs: int) -> None:
    owners = [Owner(f"user{number}", "h", "g", "p") for number in range(users)]
    waiting = line(*[owner for owner in owners for _ in range(jobs)])
    served: Counter[str] = Counter()
    for job in FairShare().order(waiting, [], NOW):
        served[owners[int(job) // jobs].user] += 1
        assert max(served.values()) - min(served[owner.user] for owner in owners) <= 1
