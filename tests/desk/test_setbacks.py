"""Failures one after the other: slow first, offline then, and when to try again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qtower.config import Account
from qtower.desk import poller
from qtower.desk.faults import BusyError, SilentError
from qtower.desk.setbacks import Setbacks
from qtower.errors import AccountError, NetworkError, QtowerError
from qtower.model import Link
from tests.conftest import Endpoint
from tests.desk.accounts import account_of, open_desk


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


def test_it_is_said_in_how_many_seconds_it_is_tried_again_or_that_it_is() -> None:
    setback = Setbacks().met(NetworkError("Dropped.", "Look at the line."), was_live=True)
    said = [setback.words(seconds) for seconds in (77, 8.2, 0.1, 0)]
    assert said == [
        "Dropped. Look at the line. Trying again in 77 s.",
        "Dropped. Look at the line. Trying again in 9 s.",
        "Dropped. Look at the line. Trying again in 1 s.",
        "Dropped. Look at the line. Trying again.",
    ]


def test_a_success_is_a_new_beginning() -> None:
    setbacks = Setbacks()
    for _ in range(5):
        setbacks.met(NetworkError("Dropped."), was_live=True)
    setbacks.over()
    assert setbacks.met(NetworkError("Dropped."), was_live=True).pause == 1.0


def test_what_is_said_of_waiting_is_true_when_it_is_said(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to the account fails, then takes its time, then is open."""
    monkeypatch.setattr(poller, "_TICK", 0.05)
    tried, opened = threading.Event(), threading.Event()
    failures = [NetworkError("No way there."), NetworkError("No way there.")]

    def connect() -> Account:
        if failures:
            raise failures.pop()
        tried.set()
        assert opened.wait(60)
        return account_of(service)

    with open_desk(connect, tmp_path) as (_, ear):
        try:
            assert tried.wait(60)
            said = [each.detail for each in ear.links if each.link is Link.OFFLINE]
        finally:
            opened.set()
        again = [text.removeprefix("No way there. Trying again") for text in said]
        assert again == [" in 1 s.", ".", " in 2 s.", " in 1 s.", "."]
        ear.until(lambda: ear.link is Link.LIVE)
        assert ear.links[-1].detail == ""
