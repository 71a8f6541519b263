"""Whatever lies between the client and the service fails: told, overcome, and no job changes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from qtower.model import Link, Status
from tests.desk.accounts import account_of, open_desk
from tests.faults import kinds
from tests.faults.conftest import Tower
from tests.faults.proxy import Fault, Proxy

pytestmark = pytest.mark.xdist_group("faults")

SINCE = r"since \d\d:\d\d"
SLOW = rf"slow {SINCE}: .*"
OFFLINE = rf"offline {SINCE}: .*"

FAULTS: dict[str, tuple[Fault, str]] = {
    "hang before": (kinds.hang_before, "did not answer in time"),
    "hang after": (kinds.hang_after, "did not answer in time"),
    "reset before": (kinds.reset_before, f"{OFFLINE}dropped the connection"),
    "reset after": (kinds.reset_after, f"{OFFLINE}dropped the connection"),
    "reset within": (kinds.reset_within, f"{OFFLINE}dropped the connection"),
    "500": (kinds.answers(500), f"{OFFLINE}status 500"),
    "503": (kinds.answers(503), f"{OFFLINE}status 503"),
    "503 with Retry-After": (kinds.answers(503, "1"), f"{SLOW}status 503"),
    "429": (kinds.answers(429), f"{SLOW}fewer requests"),
    "429 with Retry-After": (kinds.answers(429, "1"), f"{SLOW}fewer requests.*in 1 s"),
    "slow bytes": (kinds.slow_bytes, "did not answer in time"),
    "truncated JSON": (kinds.truncated, f"{OFFLINE}not of this API"),
    "broken off": (kinds.broken_off, f"{OFFLINE}dropped the connection"),
    "wrong JSON": (kinds.says(b'{"a": [1]}'), f"{OFFLINE}not of this API"),
    "HTML page": (kinds.html_page, f"{OFFLINE}not of this API"),
    "login refused": (kinds.answers(401), f"login refused {SINCE}: .*refused the token"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_told_and_overcome(name: str, tower: Tower) -> None:
    fault, words = FAULTS[name]
    with tower.proxy.failing(fault):
        tower.says(words)
        tower.stands()
    tower.recovers()


def test_an_access_token_that_expires(tower: Tower) -> None:
    """It is renewed, and nobody hears of it."""
    tokens: set[str] = set()
    with tower.proxy.failing(kinds.noting(tokens)):
        tower.until(lambda: tokens)
    with tower.proxy.failing(kinds.expired(tokens)):
        tower.recovers()
        tower.stands()


def test_a_service_that_is_killed_and_started_again(tower: Tower) -> None:
    tower.kill_service()
    tower.says(f"{OFFLINE}dropped the connection")
    tower.stands()
    tower.start_service()
    tower.recovers()


SOCKET_FAULTS: dict[str, Fault] = {
    "refused": kinds.answers(503),
    "silent": kinds.hang_before,
    "no websocket": kinds.html_page,
}


@pytest.mark.parametrize("name", SOCKET_FAULTS)
def test_a_websocket_fails(name: str, tower: Tower) -> None:
    """All is read without it, and the header has nothing to say."""
    with tower.proxy.failing(SOCKET_FAULTS[name], sockets=True):
        tower.until(lambda: tower.proxy.met)
        tower.recovers()
        tower.stands()
    tower.until(lambda: tower.proxy.sockets)


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_wrong(hours: int, tower: Tower, tmp_path: Path) -> None:
    """Jobs have the endpoint's times; how fresh they are is measured by the clock of here."""
    proxy = Proxy(tower.endpoint.url, kinds.skewed(hours * 3600.0))
    account = replace(account_of(tower.endpoint), url=proxy.url)
    try:
        with open_desk(lambda: account, tmp_path) as (desk, ear):
            desk.wait_ready(30)
            new = tower.submit(f"skewed {hours}")
            ear.until(lambda: new in ear.rows and ear.rows[new].run_seconds is not None)
            row, now = ear.rows[new], time.time()
            assert row.status is Status.DONE
            assert abs((row.created or 0.0) - now - hours * 3600) < 60
            assert now - 60 < (row.confirmed or 0.0) <= now
            assert now - 60 < (ear.links[-1].confirmed or 0.0) <= now
            assert {connection.link for connection in ear.links} == {Link.STARTING, Link.LIVE}
    finally:
        proxy.close()
