"""A person's terminal with the real screen and agent, the real service, and a proxy in between."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from qtower.ui.actions import BY_ID
from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.e2e.terminal import Terminal
from tests.faults.proxy import Proxy
from tests.service.raw import Api, gate, measure_all, qobj
from tests.ui.test_program import configure

PROGRAM = Path(__file__).with_name("impatient.py")

SETTINGS = """
[backends.ibmq_qasm_simulator]
device = "simulator"

[backends.ibmq_lima]
device = "fake_lima"
pacing = "device"
"""

HELP = BY_ID["open"].tooltip
"""Words that stand nowhere but in the help."""

KNOWN = {"done": "DONE", "runs on": "RUNNING", "waits on": "QUEUED"}
"""The jobs that are there from the beginning, and what they are: that does not change."""


class Tower:
    """What a person has before them, and what lies behind it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self._directory = directory / "service"
        self._directory.mkdir(parents=True)
        self._new = 0
        settings = self._directory / "service.toml"
        settings.write_text(SETTINGS)
        self._options = ("--workers", "1", "--config", str(settings))
        self.endpoint: Endpoint = start_service(self._directory, *self._options)
        self.api = Api(self.endpoint.url, self.endpoint.token)
        self.proxy = Proxy(self.endpoint.url)
        self._submit_known()
        environment = home_environment(self.home)
        configure(self.home, self.proxy.url, self.endpoint.token)
        self.terminal = Terminal(
            [sys.executable, str(PROGRAM), "screen", "test"],
            directory=Path.cwd(),
            environment=environment,
            columns=160,
            rows=60,
        )

    def is_full(self) -> None:
        """Waits until all is well, and the known jobs are listed."""
        self.is_live()
        self.terminal.wait_for(lambda _: self.statuses == KNOWN, why="the known jobs")

    def close(self) -> None:
        """Ends all of it."""
        self.terminal.process.close(force=True)
        self.proxy.close()
        self.api.close()
        stop_service(self.endpoint)

    def _submit_known(self) -> None:
        self.api.wait(self.submit("done"))
        for name, status in (("runs on", "RUNNING"), ("waits on", "QUEUED")):
            # An hour a shot, in us: it takes until all tests are over.
            job = self.submit(name, {"rep_time": 3.6e9}, backend={"name": "ibmq_lima"})
            self.api.wait(job, status)

    def submit(self, name: str, config: dict[str, Any] | None = None, **fields: Any) -> str:
        """Submits a small job behind the proxy's back; returns its id."""
        job = qobj(2, [gate("x", [0]), *measure_all(2)], 100, name)
        job["config"].update(config or {})
        return self.api.submit(job, name=name, **fields)

    # -- the service ----------------------------------------------------------------------------

    def kill_service(self) -> None:
        """Ends it as a power cut would."""
        self.api.close()
        self.endpoint.process.kill()
        self.endpoint.process.wait()
        self.proxy.cut_sockets()

    def start_service(self) -> None:
        """Starts it again where it was."""
        self.endpoint = start_service(self._directory, *self._options)
        self.proxy.lead_to(self.endpoint.url)
        self.api = Api(self.endpoint.url, self.endpoint.token)

    # -- the screen -----------------------------------------------------------------------------

    @property
    def header(self) -> str:
        """Its first line, which tells of the connection."""
        return self.terminal.text.splitlines()[0]

    @property
    def statuses(self) -> dict[str, str]:
        """The jobs that were there from the beginning, as the list shows them, with their age."""
        found = {}
        for line in self.terminal.text.splitlines():
            for name in KNOWN:
                if match := re.search(rf"([A-Z_]+) .*\b\d+[smhd]\d* .*\b{name}\b", line):
                    found[name] = match[1]
        return found

    def says(self, words: str, seconds: float = 30) -> None:
        """Waits until the header says `words`, a regular expression."""
        found = re.compile(words)
        self.terminal.wait_for(
            lambda _: found.search(self.header) is not None, seconds, f"{words} in the header"
        )

    def is_live(self) -> None:
        """Waits until all is well."""
        self.says(r"  live$")

    def keys_answer(self) -> None:
        """Opens the help and closes it again."""
        self.terminal.press("?")
        self.terminal.wait_for(HELP, 10)
        self.terminal.press("?")
        self.terminal.wait_for(lambda text: HELP not in text, 10)

    def stands(self) -> None:
        """Keys answer, and the known jobs are what they were, with their ages."""
        self.keys_answer()
        self.until(lambda: len(self.statuses) == len(KNOWN), 10)  # all is painted again
        assert self.statuses == KNOWN

    def recovers(self) -> None:
        """Without a key: all is well again, and what happened meanwhile is shown."""
        self._new += 1
        name = f"news {self._new}"
        self.submit(name)
        shown = re.compile(rf"DONE .*\b{name}\b")
        self.terminal.wait_for(lambda text: shown.search(text) is not None, 40, f"{name} DONE")
        self.is_full()

    # -- the agent ------------------------------------------------------------------------------

    @property
    def agent(self) -> psutil.Process:
        """Its process, once there is one."""

        def found() -> list[psutil.Process]:
            children = psutil.Process(self.terminal.process.pid).children()
            alive = (each for each in children if each.status() != psutil.STATUS_ZOMBIE)
            return [each for each in alive if "agent" in each.cmdline()]

        deadline = time.monotonic() + 20
        while not (agents := found()):
            assert time.monotonic() < deadline, "no agent"
            self.terminal.read(0.05)
        return agents[0]

    def another_agent(self, than: psutil.Process) -> None:
        """Waits until another agent runs."""
        self.until(lambda: self.agent.pid != than.pid)

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Reads the screen until something holds."""
        self.terminal.wait_for(lambda _: bool(condition()), seconds, "a condition of the test")


@pytest.fixture(scope="session")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tower]:
    """One for all faults, one after the other: none may leave anything behind."""
    made = Tower(tmp_path_factory.mktemp("faults"))
    try:
        made.is_full()
        yield made
    finally:
        made.close()
