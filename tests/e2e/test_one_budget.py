"""Two monitors and two submissions on one account ask as often as one may, and show the same."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.e2e.terminal import Terminal
from tests.faults.proxy import Proxy, _Handler

QTOWER = [sys.executable, "-m", "qtower"]
BELL = Path(__file__).parents[1] / "circuits" / "bell.qasm"
PER_MINUTE = 300
JOBS = 14  # of each submission; each takes three requests
LATE = 20  # requests that may arrive together with later ones: on their way, and of the login


class Counter(Proxy):
    """Lets everything pass, and notes when it came: websockets, too."""

    def __init__(self, service_url: str) -> None:
        self.asked: list[float] = []
        super().__init__(service_url)

    def meet(self, handler: _Handler) -> None:
        """Notes a request."""
        self.asked.append(time.time())
        super().meet(handler)

    @property
    def last_minute(self) -> int:
        """How many there were in it, in whole seconds."""
        return sum(int(at) > int(time.time()) - 60 for at in self.asked)


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Endpoint]:
    endpoint = start_service(tmp_path / "service", "--workers", "1")
    yield endpoint
    stop_service(endpoint)


@pytest.fixture
def counter(own_service: Endpoint) -> Iterator[Counter]:
    proxy = Counter(own_service.url)
    yield proxy
    proxy.close()


def configure(home: Path, url: str, token: str) -> None:
    """Gives this home one account, which may ask so often."""
    directory = home / "config" / "qtower"
    directory.mkdir(parents=True)
    (directory / "token").write_text(token)
    (directory / "token").chmod(0o600)
    (directory / "config.toml").write_text(
        f'[accounts.lab]\nurl = "{url}"\ntoken-file = "{directory / "token"}"\n'
        f"calls-per-minute = {PER_MINUTE}\n"
    )


def shown(terminal: Terminal) -> int | None:
    """The requests of the last minute as the first line tells them."""
    found = re.search(rf"\b(\d+)/{PER_MINUTE}\b", terminal.text.splitlines()[0])
    return int(found[1]) if found else None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_of_an_account_have_one_budget(
    own_service: Endpoint, counter: Counter, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    environment = home_environment(home)
    configure(home, counter.url, own_service.token)
    with ExitStack() as stack:
        terminals = [
            stack.enter_context(
                Terminal(QTOWER, directory=Path.cwd(), environment=environment, columns=160)
            )
            for _ in range(2)
        ]
        commands = [
            subprocess.Popen(
                [*QTOWER, "submit", "--experiments-per-job", "1", "--name", f"set {number}"]
                + JOBS * [str(BELL)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        for command in commands:
            _, complaint = command.communicate(timeout=200)
            assert command.returncode == 0, complaint
        for terminal in terminals:
            terminal.wait_for("live", 60)
        one, two = terminals

        def all_agree() -> bool:
            two.read(0.05)
            return shown(one) == shown(two) == counter.last_minute

        one.wait_for(lambda _: all_agree(), 90, "the same count on both screens, which is right")
    asked = sorted(counter.asked)
    assert len(asked) >= 2 * 3 * JOBS, "or there was nothing to share"
    for first, begin in enumerate(asked):
        for number, end in enumerate(asked[first:], 1):
            bucket = (1 / 3 + 2 / 3 * (end - begin) / 60) * PER_MINUTE
            assert number <= bucket + LATE, f"{number} requests within {end - begin:.1f} s"
            if end - begin < 60:
                assert number <= PER_MINUTE
