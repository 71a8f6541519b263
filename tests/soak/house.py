"""Where the soak takes place: a user, an account, a service behind a faulty network."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from qtower.desk.journal import Journal
from qtower.desk.journal_names import journal_name
from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.faults.proxy import Proxy
from tests.service.postgres import free_port
from tests.service.raw import Api
from tests.ui.test_program import configure

QTOWER = [sys.executable, "-m", "qtower"]
ACCOUNT = "test"


class House:
    """All that a soak needs; `directory` is new."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self._service = directory / "service"
        # An old program that is killed leaves jobs without a qobj: half an hour of them would
        # take up all the room that the service has.
        settings = directory / "service.toml"
        directory.mkdir(parents=True, exist_ok=True)
        settings.write_text("[limits]\nupload-seconds = 60\n")
        self._options = (
            *("--port", str(free_port()), "--workers", "1", "--job-limit", "25"),
            *("--config", str(settings)),
        )
        self.endpoint: Endpoint = start_service(self._service, *self._options)
        self.proxy = Proxy(self.endpoint.url)
        self.environment = home_environment(self.home)
        configure(self.home, self.proxy.url, self.endpoint.token)
        self.circuits = directory / "circuits"
        self.circuits.mkdir()
        self.file = directory / "acknowledged.txt"

    # -- the service ----------------------------------------------------------------------------

    def restart_service(self, number: signal.Signals) -> None:
        """Ends it by a signal, and starts it again at the same address."""
        process = self.endpoint.process
        process.send_signal(number)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.proxy.cut_sockets()
        if process.stdout:
            process.stdout.close()
        self.endpoint = start_service(self._service, *self._options)

    @contextlib.contextmanager
    def api(self) -> Iterator[Api]:
        """The service itself, not by way of the network that fails."""
        api = Api(self.endpoint.url, self.endpoint.token)
        try:
            yield api
        finally:
            api.close()

    # -- the user -------------------------------------------------------------------------------

    def run(self, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """A command of qtower, to its end."""
        return subprocess.run(
            [*QTOWER, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )

    def processes(self) -> dict[str, list[psutil.Process]]:
        """What runs of this user, by its part: screen, agent, command, program."""
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("HOME") == str(self.home):
                    found.setdefault(_part(process.cmdline()), []).append(process)
            except psutil.Error:
                continue
        return found

    def journal(self) -> Journal:
        """The journal of the account."""
        directory = self.home / "state" / "qtower"
        name = journal_name(ACCOUNT, self.proxy.url, directory)
        return Journal(name, directory, lambda title, text: print(f"{title}: {text}"))

    def close(self) -> None:
        """Ends the service and the network."""
        self.proxy.close()
        stop_service(self.endpoint)


def _part(command: list[str]) -> str:
    if "agent" in command:
        return "agent"
    if command[-2:] == ["-m", "qtower"]:
        return "screen"
    return "command" if "qtower" in command else "program"


def end(process: psutil.Process, number: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal to a process that may have ended."""
    with contextlib.suppress(psutil.Error, OSError):
        os.kill(process.pid, number)


def wait_for(look: Callable[[], object], seconds: float) -> bool:
    """Whether `look` found something within that time."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
