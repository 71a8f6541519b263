"""Failures one after the other: slow first, offline then, and when to try again."""

from __future__ import annotations

from qtower.desk.faults import BusyError, SilentError
from qtower.desk.setbacks import Setbacks
from qtower.errors import AccountError, NetworkError, QtowerError
from qtower.model import Link


def met(error: QtowerError, times: int, *, was_live: bool = True) -> list[tuple[Link, float]]:
    setbacks, found = Setbacks(), []
    live = was_live
    for _ in range(times):
        setback = setbacks.met(error, was_live=live)
        live = setback.link is Link.LIVE
        found.append((setback.link, setback.pause))
    return found


def test_an_endpoint_that_fails_is_slow_and_then_offline() -> None:
    failed = BusyError("It failed.", 0, asked=False)
    assert met(failed, 4) == [
        (Link.LIVE, 1.0),
        (Link.LIVE, 2.0),
        (Link.OFFLINE, 4.0),
        (Link.OFFLINE, 8.0),
    ]
    assert met(SilentError("Silent."), 3)[-1] == (Link.OFFLINE, 4.0)
    assert met(failed, 1, was_live=False) == [(Link.OFFLINE, 1.0)]


def test_an_endpoint_that_asks_for_peace_is_there() -> None:
    assert met(BusyError("Too many.", 30), 5) == [(Link.LIVE, 30.0)] * 5
    assert met(BusyError("Too many.", 1e9), 1) == [(Link.LIVE, 300.0)]
    assert met(BusyError("Too many.", 0), 20)[-1] == (Link.LIVE, 30.0)


def test_an_endpoint_that_is_not_there_is_offline_at_once() -> None:
    assert met(NetworkError("Dropped."), 7)[-1] == (Link.OFFLINE, 30.0)
    assert met(NetworkError("Dropped."), 1) == [(Link.OFFLINE, 1.0)]
    assert met(AccountError("Refused."), 1) == [(Link.REFUSED, 60.0)]


def test_a_success_is_a_new_beginning() -> None:
    setbacks = Setbacks()
    for _ in range(5):
        setbacks.met(NetworkError("Dropped."), was_live=True)
    setbacks.over()
    assert setbacks.met(NetworkError("Dropped."), was_live=True).pause == 1.0
