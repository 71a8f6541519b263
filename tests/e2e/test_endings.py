"""However it ends, the terminal is left as it was, and nothing of ours stays but the service.

`make test` takes some pairs of an ending and what is going on; with QTOWER_SOAK=1 it is all.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.e2e.terminal import Terminal
from tests.service.raw import Api, gate, measure_all, qobj, until
from tests.ui.test_program import configure

SOAK = bool(os.environ.get("QTOWER_SOAK"))
LONG = Path(__file__).parents[1] / "circuits" / "long.json"
QTOWER = [sys.executable, "-m", "qtower"]

# What a person's shell is to us: it waits for us, and has the terminal before and after.
IN_SHELL = ["sh", "-c", '"$@"; echo "ended: $?"; sleep 60', "sh"]

ENDINGS = ("q", "ctrl+c", "SIGHUP", "SIGTERM", "SIGINT", "SIGKILL", "fault", "closed")
BUSY = ("live", "hangs", "stopped", "result")
SOME = [
    ("q", "result"),
    ("ctrl+c", "hangs"),
    ("SIGTERM", "stopped"),
    ("closed", "live"),
    ("fault", "live"),
    ("SIGKILL", "result"),
]
PAIRS = list(itertools.product(ENDINGS, BUSY)) if SOAK else SOME

A_FAULT = """
import sys
from qtower.cli import main
from qtower.ui.joblist.widget import JobList

def fault(self):
    raise KeyError("odd")

JobList.action_up = fault
sys.argv = ["qtower"]
main()
"""

pytestmark = pytest.mark.timeout(300)


class User:
    """Somebody with a home, an account, and a terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = home_environment(home)

    def opens(self, command: list[str], **options: int) -> Terminal:
        return Terminal(
            IN_SHELL + command, directory=Path.cwd(), environment=self.environment, **options
        )

    def processes(self) -> list[psutil.Process]:
        """Everything of ours that runs: not their shell, not the service."""
        return [
            process
            for process in psutil.process_iter()
            if _environment(process).get("HOME") == str(self.home)
            and (line := " ".join(_command(process))).startswith(sys.executable)
            and "qtower serve" not in line
            and "qtower.service.worker" not in line
        ]

    def qtower(self) -> psutil.Process:
        """The process of the screen."""
        return until(lambda: [each for each in self.processes() if "agent" not in _command(each)])[
            0
        ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    made = User(tmp_path / "home")
    yield made
    left = made.processes()
    for process in left:
        process.kill()
    assert not left


@pytest.fixture(scope="module")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    endpoint = start_service(tmp_path_factory.mktemp("stoppable"), "--workers", "1")
    yield endpoint
    endpoint.process.send_signal(signal.SIGCONT)
    stop_service(endpoint)


@pytest.fixture(scope="module")
def large_result(service: Endpoint) -> str:
    """The name of a job whose result has 44 MB; in the short form 7 MB."""
    api = Api(service.url, service.token)
    job = qobj(1, [gate("h", [0]), *measure_all(1)], 100_000, "large")
    job["config"]["memory"] = True
    job["experiments"] *= 64 if SOAK else 10
    api.wait(api.submit(job, name="large"))
    api.close()
    return "large"


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """Takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api"


@pytest.mark.parametrize(("ending", "busy"), PAIRS)
def test_it_ends(ending: str, busy: str, user: User, request: pytest.FixtureRequest) -> None:
    service: Endpoint = request.getfixturevalue("stoppable" if busy == "stopped" else "service")
    url = request.getfixturevalue("silent_endpoint") if busy == "hangs" else service.url
    large = request.getfixturevalue("large_result") if busy == "result" else ""
    configure(user.home, url, service.token)
    command = [sys.executable, "-c", A_FAULT, "qtower"] if ending == "fault" else QTOWER
    with user.opens(command) as terminal:
        before = termios.tcgetattr(terminal.process.child_fd)
        terminal.wait_for("test" if busy == "hangs" else "live")
        if busy == "stopped":
            service.process.send_signal(signal.SIGSTOP)
            terminal.press("ctrl+r")
        elif busy == "result":
            terminal.press("/", large, "enter")
            terminal.wait_for("DONE")
            terminal.press("j", "r")
            terminal.read(random.uniform(0.05, 1.5))
        end(terminal, ending, user, busy)
        if ending == "closed":
            until(lambda: not user.processes())
        else:
            terminal.wait_for(lambda _: not user.processes(), 20, "the end of all processes")
        service.process.send_signal(signal.SIGCONT)
        if ending == "closed":
            return
        terminal.wait_for("ended: ", 10)
        if ending == "SIGKILL":
            return  # nobody is left to put the terminal back
        assert terminal.clean
        assert termios.tcgetattr(terminal.process.child_fd) == before
        code = int(re.findall(r"ended: (\d+)", terminal.text)[0])
        assert code == code_of(ending)


def end(terminal: Terminal, ending: str, user: User, busy: str) -> None:
    if ending == "closed":
        terminal.process.ptyproc.fileobj.close()
    elif ending == "fault":
        terminal.press(*(["escape", "escape"] if busy == "result" else []), "k")
    elif ending.startswith("SIG"):
        user.qtower().send_signal(signal.Signals[ending])
    else:
        terminal.press(*(["escape", "escape"] if busy == "result" and ending == "q" else []))
        terminal.press(ending)


def code_of(ending: str) -> int:
    if ending == "fault":
        return 1
    return 128 + signal.Signals[ending] if ending.startswith("SIG") else 0


def test_a_stuck_terminal_holds_up_nobody(user: User, service: Endpoint) -> None:
    configure(user.home, service.url, service.token)
    with user.opens(QTOWER, columns=120, rows=40) as terminal:
        before = termios.tcgetattr(terminal.process.child_fd)
        terminal.wait_for("live")
        screen = user.qtower()
        # Nobody reads what it draws: the pty fills up, and every write waits.
        for _ in range(60):
            terminal.process.send("?")
            time.sleep(0.02)
            terminal.process.send("\x1b")
            time.sleep(0.02)
        screen.send_signal(signal.SIGTERM)
        until(lambda: not user.processes())
        assert termios.tcgetattr(terminal.process.child_fd) == before


def test_ctrl_z_and_fg(user: User, service: Endpoint) -> None:
    configure(user.home, service.url, service.token)
    # What is stopped is the whole of what the shell has started, as with `make run`.
    started = f"sh -c '{' '.join(QTOWER)}; exit $?'"
    with Terminal(
        ["bash", "--norc", "--noprofile", "--noediting", "-i"],
        directory=Path.cwd(),
        environment={**user.environment, "PS1": "shell> "},
        columns=100,
    ) as terminal:
        terminal.wait_for("shell>")
        terminal.press(f"{started}\r")
        terminal.wait_for("live")
        agents = agents_of(user)
        for _ in range(2):
            terminal.press("ctrl+z")
            terminal.wait_for("Stopped")
            assert terminal.clean
            terminal.press("echo still $((40 + 2))\r")
            terminal.wait_for("still 42")
            terminal.press("bg\r")
            terminal.read(0.3)  # it stops again
            terminal.press("fg\r")
            terminal.wait_for(lambda text: "live" in text and "shell>" not in text)
            terminal.press("/", "none such", "enter")
            terminal.wait_for("none such")
            terminal.press("escape")
        assert agents_of(user) == agents
        # Stopped and continued from elsewhere.
        screen = user.qtower()
        screen.suspend()
        before = terminal.written
        screen.resume()
        terminal.wait_for(lambda _: terminal.written > before + 1000, why="all drawn anew")
        terminal.press("?")
        terminal.wait_for("Show all that is known")
        terminal.press("escape", "q")
        terminal.wait_for("shell>")
        assert terminal.clean
        terminal.press("echo again $((40 + 2))\r")
        terminal.wait_for("again 42")
        terminal.press("exit\r")


def agents_of(user: User) -> set[int]:
    return {each.pid for each in user.processes() if "agent" in _command(each)}


def test_without_a_shell_ctrl_z_stops_nothing(user: User, service: Endpoint) -> None:
    configure(user.home, service.url, service.token)
    with Terminal(QTOWER, directory=Path.cwd(), environment=user.environment) as terminal:
        terminal.wait_for("live")
        terminal.press("ctrl+z", "?")
        terminal.wait_for("Show all that is known")
        terminal.press("escape", "q")
        assert terminal.wait_for_end() == 0
        assert terminal.clean


# -- commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_for_a_job_is_ended(
    number: signal.Signals, user: User, service: Endpoint, silent_endpoint: str
) -> None:
    url = service.url if number == signal.SIGTERM else silent_endpoint
    configure(user.home, url, service.token)
    command = [*QTOWER, "submit", "--wait", "--tag", "to-be-ended", str(LONG)]
    process = subprocess.Popen(
        command, env=user.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(random.uniform(0.3, 2.0))
    process.send_signal(number)
    said, complained = process.communicate(timeout=20)
    api = Api(service.url, service.token)
    for job in api.list(where={"tags": "to-be-ended"}):  # if it came so far
        api.cancel(job["id"])
    api.close()
    assert "Traceback" not in said + complained
    assert process.returncode in (-number, 128 + number), said + complained


def test_a_closed_pipe_is_no_fault(user: User, service: Endpoint) -> None:
    configure(user.home, service.url, service.token)
    api = Api(service.url, service.token)
    job = qobj(1, measure_all(1), 1, "one of many")
    for _ in range(3):
        api.submit(job, name="one of many", tags=["t" * 200])
    api.close()
    line = f"{' '.join(QTOWER)} list --json | head -1"
    run = subprocess.run(
        ["sh", "-c", line], env=user.environment, capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "[\n"
    assert run.stderr == ""
