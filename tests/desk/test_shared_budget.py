"""Several qtowers of one account have one bucket and one count, whatever becomes of the file."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import time
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from qtower.desk import tally_places
from qtower.desk.budget import Budget, Urgency, asking_as
from qtower.desk.tally import SIZE, Tally
from tests.desk.budgets import Asker, Clock, let_them_ask, shared_budget, start

MINUTE = 60


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls-lab"


def spend(budget: Budget, count: int) -> None:
    for _ in range(count):
        budget.spend()


def test_all_of_an_account_have_one_bucket_and_one_count(file: Path, clock: Clock) -> None:
    one, two, three = (shared_budget(file, 60, clock) for _ in range(3))
    spend(one, 5)
    spend(two, 7)
    assert [each.used() for each in (one, two, three)] == [12, 12, 12]
    assert [each.room() for each in (one, two, three)] == [8, 8, 8]
    spend(three, 8)
    assert two.wait() == one.delay() == pytest.approx(1.5)
    assert (one.count, two.count, three.count) == (5, 7, 8), "each knows what it asked itself"
    other = shared_budget(file.with_name("calls-other"), 60, clock)
    assert other.used() == 0
    late = shared_budget(file, 60, clock)
    assert (late.used(), late.room()) == (20, 0), "who comes later finds what is left"


def test_what_a_person_borrows_here_is_paid_everywhere(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 20)
    for _ in range(15):
        one.take()
        two.take()
    assert two.used() == 50
    assert two.delay() == pytest.approx(46.5)


def test_a_request_that_is_paid_for_is_nobody_else_s(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 19)
    assert one.delay() == 0
    assert two.delay() == pytest.approx(1.5)
    assert one.delay() == 0
    with asking_as(Urgency.POLLER):
        one.take()
    assert (two.used(), two.room()) == (20, 0), "it is paid for once"


def test_a_request_that_is_not_made_after_all_is_given_back(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 19)
    assert one.delay() == 0
    assert one.used() == 19
    assert two.delay() > 0
    one.give_back()
    one.give_back()
    assert two.delay() == 0
    two.spend()
    assert one.used() == two.used() == 20


def test_who_is_told_to_wait_holds_all_but_persons(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    one.hold(30)
    assert two.held() == 30
    assert two.wait() == two.delay() == pytest.approx(30)
    two.take()
    two.hold(5)
    clock.now += 29
    assert one.delay() == pytest.approx(1)
    clock.now += 1
    assert one.delay() == two.delay() == 0


def test_a_limit_that_is_changed_holds_for_all(file: Path, clock: Clock) -> None:
    old, new = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    new.allow(120)
    assert old.per_minute == 120
    old.allow(60)  # as it has been told before: the configuration that it knows is an old one
    assert new.per_minute == 120
    assert shared_budget(file, 30, clock).per_minute == 30
    assert (old.per_minute, new.per_minute) == (30, 30)


@pytest.mark.parametrize(("submissions", "pollers"), [(1, 9), (9, 1), (5, 5)])
def test_submissions_and_pollers_share_it_three_to_one(
    file: Path, clock: Clock, submissions: int, pollers: int
) -> None:
    kinds = submissions * [Urgency.SUBMISSION] + pollers * [Urgency.POLLER]
    askers = [Asker(file, 60, kind, clock) for kind in kinds]
    let_them_ask(askers, clock, 10 * MINUTE)
    made = sorted(at for each in askers for at in each.asked)
    assert len(made) == pytest.approx(20 + 400, abs=2), "all that there is, and no more"
    for begin in made:
        assert sum(begin <= at < begin + MINUTE for at in made) <= 60
    sent = sum(len(each.asked) for each in askers if each.urgency is Urgency.SUBMISSION)
    assert 0.7 <= sent / len(made) <= 0.8
    for each in askers:
        waits = [later - earlier for earlier, later in pairwise(each.asked)]
        assert max(waits) < 2 * MINUTE, "nobody is starved"


def test_whatever_persons_borrow_others_add_nothing_to_it(file: Path, clock: Clock) -> None:
    """They open monitors, refresh, and run scripts; the endpoint counts minutes, not borrowers."""
    dice = random.Random(2)
    kinds = 3 * [Urgency.SUBMISSION] + 4 * [Urgency.POLLER]
    others = [Asker(file, 60, kind, clock) for kind in kinds]
    persons = [Asker(file, 60, Urgency.PERSON, clock) for _ in range(3)]
    for _ in range(40):
        let_them_ask(others, clock, dice.choice([5, 20, 60, 90]))
        for _ in range(dice.choice([1, 12, 12, 60])):
            dice.choice(persons).go()
            clock.now += 0.01
    asked = sorted(at for each in others + persons for at in each.asked)
    waited = sorted(at for each in others for at in each.asked)
    assert max(number_within(asked, end) for end in asked) > 60, "or nobody borrowed"
    assert max(number_within(asked, end) for end in asked) <= 120
    assert max(number_within(asked, end) for end in waited) <= 60
    assert len(waited) > 10 * 40, "and what persons borrow is not made up for without end"


def number_within(asked: list[float], end: float) -> int:
    """How many there were in the minute that ends so."""
    return bisect_right(asked, end) - bisect_right(asked, end - MINUTE)


def test_a_place_in_line_of_a_dead_poller_keeps_nobody(file: Path, clock: Clock) -> None:
    dead, alive = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(alive, 20)
    assert dead.delay() == pytest.approx(1.5)
    clock.now += 1.5
    assert alive.wait() > 0, "it may still come"
    clock.now += 3.5
    spend(alive, 2)
    assert alive.wait() == 0


def test_a_submission_that_died_while_it_waited_keeps_no_poller(file: Path, clock: Clock) -> None:
    dead, alive = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(alive, 20)
    assert dead.delay(Urgency.SUBMISSION) > 0
    clock.now += 1.6
    assert alive.delay() > 0, "it is the submission's turn"
    clock.now += 1.5
    spend(alive, 1)
    assert alive.delay() == 0


def test_who_waits_looks_once_a_second(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = shared_budget(file, 60, clock)
    budget.hold(20)
    looks = 0

    def wait(seconds: float) -> None:
        nonlocal looks
        looks += 1
        clock.now += seconds

    monkeypatch.setattr(budget._changed, "wait", wait)
    with asking_as(Urgency.SUBMISSION):
        budget.take()
    assert 20 <= looks <= 21


# -- what may become of the file ------------------------------------------------------------------

FOREIGN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "zeros": lambda whole: bytes(len(whole)),
    "cut off": lambda whole: whole[: len(whole) // 2],
    "torn": lambda whole: whole[:40] + os.urandom(8) + whole[48:],
    "garbage": lambda _: os.urandom(SIZE),
    "another program's": lambda _: b"SQLite format 3\0" + bytes(20_000),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_none_begins_anew(
    change: Callable[[bytes], bytes], file: Path, clock: Clock
) -> None:
    file.write_bytes(change(Tally(60, clock.now).packed()))
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    assert (one.room(), two.used()) == (20, 0)
    one.take()
    assert two.used() == 1
    assert file.stat().st_size == SIZE


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_what_a_process_knew_survives_a_file_that_is_spoilt(
    change: Callable[[bytes], bytes], file: Path, clock: Clock
) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 30)
    file.write_bytes(change(file.read_bytes()))
    assert (one.used(), one.per_minute) == (30, 60)
    assert two.used() == 30
    assert two.delay() == pytest.approx(16.5)


def test_a_clock_that_is_set_back_keeps_nobody(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 80)
    one.hold(300)
    clock.now -= 3600
    assert two.delay() == one.wait() == 0
    assert one.per_minute == 60
    one.take()
    assert two.used() == 1


def test_a_file_that_was_removed_is_made_again_for_all(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 3)
    file.unlink()
    spend(one, 2)
    spend(two, 1)
    assert two.used() == one.used() == 6


def test_it_is_the_user_s_alone(file: Path, clock: Clock) -> None:
    shared_budget(file, 60, clock)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    shared_budget(file, 60, clock)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def a_directory(file: Path) -> None:
    file.mkdir()


def a_pipe(file: Path) -> None:
    os.mkfifo(file)


def a_link(file: Path) -> None:
    file.symlink_to(file.with_name("elsewhere"))


def no_directory(file: Path) -> None:
    file.parent.rmdir()


@pytest.mark.parametrize("spoil", [a_directory, a_pipe, a_link, no_directory])
def test_without_a_file_a_process_has_a_budget_of_its_own(
    spoil: Callable[[Path], None], tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "state" / "calls-lab"
    file.parent.mkdir()
    spoil(file)
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(one, 20)
    assert one.delay() == pytest.approx(1.5)
    assert (one.used(), two.used(), two.room()) == (20, 0, 20)
    one.close()


def test_what_is_learned_while_the_disk_is_full_is_shared_afterwards(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_places, "_ALONE_SECONDS", 0.0)
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    spend(two, 4)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        spend(one, 10)
        one.hold(40)
        one.allow(90)
        assert (one.used(), one.held(), one.per_minute) == (14, 40, 90)
        assert two.used() == 4
    assert one.used() == 14
    assert (two.used(), two.held(), two.per_minute) == (14, 40, 90)


def test_after_its_end_a_budget_lets_go_of_the_file(file: Path, clock: Clock) -> None:
    one, two = shared_budget(file, 60, clock), shared_budget(file, 60, clock)
    openings = psutil.Process().open_files
    assert [each.path for each in openings()].count(str(file)) == 2
    one.close()
    assert [each.path for each in openings()].count(str(file)) == 1
    one.take()  # a request that was under way
    assert (one.used(), two.used()) == (1, 0)


# -- real processes -------------------------------------------------------------------------------


def test_several_processes_together_keep_the_limit(file: Path) -> None:
    """Each alone has more than it wants; together they must wait for what comes in later."""
    began = time.monotonic()
    orders = [{"per_minute": 3000, "requests": 275} for _ in range(4)]
    processes = [start(file, **order) for order in orders]
    counts = [int(process.communicate(timeout=120)[0]) for process in processes]
    seconds = time.monotonic() - began
    assert counts == [275] * 4
    assert sum(counts) <= 1000 + 2000 / MINUTE * seconds + 1
    budget = shared_budget(file, 3000)
    if seconds < MINUTE - 1:
        assert budget.used() == 4 * 275, "not one is lost"
    budget.close()


def test_whoever_is_killed_in_the_middle_keeps_nobody(file: Path) -> None:
    budget = shared_budget(file, 60_000)
    for _ in range(12):
        process = start(file, per_minute=60_000, requests=20, urgency="person", forever=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "20\n"
        process.kill()
        process.communicate()
        assert Tally.unpacked(file.read_bytes()) is not None
        budget.take()
        assert budget.used() >= 21
    assert budget.per_minute == 60_000
    budget.close()


def test_whoever_is_killed_while_it_has_the_tally_has_changed_nothing(file: Path) -> None:
    budget = shared_budget(file, 60)
    spend(budget, 3)
    process = start(file, per_minute=60, inside=signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (budget.used(), budget.room()) == (3, 17)
    budget.close()


def test_whoever_is_stopped_while_it_has_the_tally_stops_nobody(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_places, "_PATIENCE", 0.05)
    monkeypatch.setattr(tally_places, "_ALONE_SECONDS", 0.0)
    budget = shared_budget(file, 60)
    spend(budget, 3)
    process = start(file, per_minute=60, inside=signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    budget.take()
    assert budget.used() == 4
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    assert budget.used() == 5
    other = shared_budget(file, 60)
    assert other.used() == 5, "what was counted meanwhile has been added"
    assert other.room() == 15
    budget.close()
    other.close()
