"""The numbers of a budget: what a clock may do to them, and what they are as bytes."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtower.desk.tally import SIZE, Tally


def spent(per_minute: int, requests: int, now: float = 1000.0) -> Tally:
    """A tally of which so many requests were made."""
    tally = Tally(per_minute, now)
    tally.spend(requests)
    return tally


def test_what_is_written_down_is_what_is_read() -> None:
    tally = spent(60, 30)
    tally.hold(20)
    tally.until_poller(1000.0, wanted=False)
    tally.want()
    read = Tally.unpacked(tally.packed())
    assert read is not None and not read.changed
    assert read.packed() == tally.packed()
    assert (read.per_minute, read.used, read.left) == (60, 30, -10)
    assert read.held == 20
    assert read.until_submission() == tally.until_submission() > 0
    without_limit = Tally.unpacked(spent(0, 5).packed())
    assert without_limit is not None and without_limit.per_minute is None
    assert without_limit.used == 5


@given(st.binary(max_size=2 * SIZE))
def test_whatever_lies_there_is_no_tally(raw: bytes) -> None:
    assert Tally.unpacked(raw) is None


@given(st.integers(0, SIZE - 1), st.integers(1, 255))
def test_a_part_of_one_and_a_changed_one_are_none(place: int, change: int) -> None:
    whole = bytearray(spent(60, 7).packed())
    assert Tally.unpacked(bytes(whole[:place])) is None
    assert Tally.unpacked(bytes(whole[:place]) + bytes(SIZE - place)) is None
    whole[place] ^= change
    assert Tally.unpacked(bytes(whole)) is None


def test_one_half_written_over_another_is_none() -> None:
    older, newer = spent(60, 3).packed(), spent(60, 9, 1007.5).packed()
    for place in range(16, SIZE - 4):
        torn = newer[:place] + older[place:]
        assert torn in (older, newer) or Tally.unpacked(torn) is None


def test_another_layout_is_none() -> None:
    raw = spent(60, 3).packed()
    other = b"qtcalls2" + raw[8:-4]
    assert Tally.unpacked(other + zlib.crc32(other).to_bytes(4, "little")) is None


def test_a_clock_that_is_set_back_begins_anew() -> None:
    tally = spent(60, 80)
    tally.hold(300)
    tally.until_poller(1000.0, wanted=False)
    tally.move_to(1000.0 - 3600)
    assert (tally.left, tally.used, tally.held) == (20, 0, 0)
    assert tally.until_submission() == tally.until_poller(1000.0, wanted=False) == 0
    assert tally.per_minute == 60


def test_a_clock_that_is_put_right_by_a_little_stands_still() -> None:
    tally = spent(60, 20)
    tally.move_to(997.0)
    assert (tally.left, tally.used) == (0, 20)
    tally.move_to(1003.0)
    assert tally.left == pytest.approx(2)


def test_a_clock_that_is_set_ahead_fills_the_bucket_and_no_more() -> None:
    tally = spent(60, 80)
    tally.move_to(1e9)
    assert (tally.left, tally.used) == (20, 0)


def test_another_limit_does_not_forget_what_the_last_minute_had() -> None:
    tally = spent(600, 100)
    tally.allow(60)
    assert tally.left == 20 - 100
    tally.move_to(1000.0 + 61)
    assert tally.left == 20
    tally = spent(60, 15)
    tally.allow(120)
    assert tally.left == 40 - 15


def test_what_was_borrowed_a_minute_ago_keeps_no_poller() -> None:
    tally = spent(60, 80)
    tally.move_to(1059.0)
    assert tally.until_poller(1000.0, wanted=False) > 0
    tally.move_to(1060.0)
    assert tally.used == 0
    assert tally.until_poller(1000.0, wanted=False) > 0, "a part of its second ago is a minute"
    tally.move_to(1061.0)
    assert tally.left == 20
    assert tally.until_poller(1000.0, wanted=False) == tally.until_submission() == 0
    tally.spend(20)
    assert tally.until_submission() > 0
    tally.spend(40)
    assert tally.until_person() > 0, "but 20 of what persons borrowed are still to be made up for"


def test_what_is_given_back_was_never_spent() -> None:
    tally = spent(60, 7)
    tally.move_to(1001.0)
    tally.give_back()
    assert tally.used == 6
    assert tally.left == pytest.approx(20 - 6 + 2 / 3)
    full = Tally(60, 1000.0)
    full.give_back()
    assert (full.used, full.left) == (0, 20)


def test_what_was_not_written_is_added_to_what_others_wrote() -> None:
    there = Tally.unpacked(spent(60, 10).packed())
    mine = Tally.unpacked(spent(60, 10).packed())
    assert there is not None and mine is not None
    mine.move_to(1001.0)
    mine.spend(4)
    mine.hold(30)
    mine.allow(90)
    there.take_over(mine)
    assert (there.used, there.per_minute) == (14, 90)
    assert there.held == 30
    assert there.changed
    there.written()
    mine.written()
    there.take_over(mine)
    assert there.used == 14 and not there.changed
