"""The monitor with a real agent and a real service: in a pilot, and in a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from textual.widgets import Button

from qtower.agent.link import AgentLink
from qtower.model import Link, Status
from qtower.ui.app import TowerApp
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.monitor import MonitorScreen
from tests.conftest import Endpoint, start_service, stop_service
from tests.e2e.terminal import Terminal
from tests.traps import QTOWER, Trap
from tests.ui.conftest import screen_text, until

COMMAND = [sys.executable, "-m", "qtower", "agent", "--account", "test"]


def configure(home: Path, url: str, token: str) -> None:
    """Gives the user of `home` one account, "test"."""
    directory = home / "config" / "qtower"
    directory.mkdir(parents=True)
    token_file = directory / "token"
    token_file.touch(0o600)
    token_file.write_text(token)
    (directory / "config.toml").write_text(
        f'[accounts.test]\nurl = "{url}"\ntoken-file = "{token_file}"\ncalls-per-minute = 6000\n'
    )


@pytest.fixture
def account(home: Path, service: Endpoint) -> Path:
    """A home whose account is at the service that all tests share."""
    configure(home, service.url, service.token)
    return home


def real_tower(process: subprocess.Popen[bytes] | None = None) -> TowerApp:
    return TowerApp(
        lambda on_event, on_state: AgentLink(COMMAND, on_event, on_state, process=process), "test"
    )


def live(app: TowerApp) -> Callable[[], bool]:
    def check() -> bool:
        connection = app.standing.connection
        return (
            connection is not None
            and connection.link is Link.LIVE
            and connection.confirmed is not None
        )

    return check


async def test_from_empty_over_samples_and_cancel_to_a_killed_agent(
    home: Path, tmp_path: Path
) -> None:
    endpoint = start_service(tmp_path / "service", "--workers", "2")
    try:
        configure(home, endpoint.url, endpoint.token)
        await _a_first_session()
    finally:
        stop_service(endpoint)


async def _a_first_session() -> None:
    process = AgentLink.launch(COMMAND)
    app = real_tower(process)
    board = app.board
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, live(app), "live connection")
        assert "Press  d" in screen_text(pilot)
        await pilot.press("d")
        await until(pilot, lambda: "Bell" in screen_text(pilot), "Bell")
        assert sum(board.counts.values()) == len(board.rows) >= 10

        # The one that runs long is filtered out of the rest and cancelled, after a question.
        await pilot.press("slash", *"long", "enter", "j")
        await until(pilot, lambda: board.counts.get(Status.RUNNING, 0) > 0, "running job")
        await until(pilot, lambda: "RUNNING" in screen_text(pilot), "running long job")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert app.screen.query_one("#no", Button).has_focus
        await pilot.press("y")
        await until(pilot, lambda: "CANCELLED" in screen_text(pilot), "cancelled job")
        await pilot.press("escape")

        # An agent that is killed is started again; meanwhile the rows stand.
        known = dict(board.rows)
        process.kill()
        await until(pilot, lambda: not app.standing.agent_up, "dead agent")
        assert board.rows.keys() == known.keys()
        assert "Bell" in screen_text(pilot)
        await until(pilot, lambda: app.standing.agent_up, "agent that is back")
        await until(pilot, live(app), "live connection")
        assert board.rows.keys() == known.keys()


async def test_a_refused_login_is_named(home: Path, service: Endpoint) -> None:
    configure(home, service.url, "0" * 64)
    app = real_tower()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "login refused" in screen_text(pilot), "refusal")
        assert "The login was refused." in screen_text(pilot)
        assert "0" * 20 not in screen_text(pilot)
        assert isinstance(app.screen, MonitorScreen)


# -- in a terminal -----------------------------------------------------------------------------


def terminal(*arguments: str) -> Terminal:
    return Terminal(
        [sys.executable, "-m", "qtower", "monitor", *arguments],
        directory=Path.cwd(),
        environment=dict(os.environ),
    )


def test_q_ends_at_once_though_the_endpoint_is_dead(home: Path) -> None:
    configure(home, "http://127.0.0.1:9/api", "t" * 32)
    with terminal() as tower:
        tower.wait_for("test")
        tower.press("q")
        assert tower.wait_for_end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_screen_and_agent(account: Path, number: signal.Signals) -> None:
    with terminal() as tower:
        tower.wait_for("live")
        children = psutil.Process(tower.process.pid).children(recursive=True)
        assert children
        tower.process.kill(number)
        assert tower.wait_for_end(10) == 128 + number
        assert psutil.wait_procs(children, timeout=10)[1] == []


def test_the_token_is_in_no_argument(account: Path, service: Endpoint) -> None:
    with terminal("--account", "test") as tower:
        tower.wait_for("live")
        for process in psutil.Process(tower.process.pid).children(recursive=True):
            assert service.token not in " ".join(process.cmdline())
        tower.press("q")
        assert tower.wait_for_end() == 0


def test_the_agent_runs_nothing_of_the_working_directory(account: Path, tmp_path: Path) -> None:
    trap = Trap(tmp_path)
    with Terminal([QTOWER], directory=trap.directory, environment=dict(os.environ)) as tower:
        tower.wait_for("live")
        tower.press("q")
        assert tower.wait_for_end() == 0
    assert trap.sprung == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "needs a terminal"), (["--account", "none such"], "needs a terminal")],
)
def test_without_a_terminal_it_says_so_in_a_sentence(
    home: Path, arguments: list[str], words: str
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "qtower", "monitor", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert words in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_an_unknown_account_is_refused_before_the_screen(home: Path) -> None:
    with terminal("--account", "none such") as tower:
        tower.wait_for('There is no account "none such"')
        assert tower.wait_for_end() == 1


A_FAULT = """
import sys
from qtower.cli import main
from qtower.ui.screens.monitor import MonitorScreen

def fault(self, name):
    local = "only" + "-in-a-local"
    raise KeyError("odd")

MonitorScreen.action_act = fault
sys.argv = ["qtower"]
main()
"""


def test_a_fault_of_the_screen_is_a_sentence_and_shows_no_variables(account: Path) -> None:
    with Terminal(
        [sys.executable, "-c", A_FAULT],
        directory=Path.cwd(),
        environment=dict(os.environ),
        columns=300,
    ) as tower:
        tower.wait_for("live")
        tower.press("n")
        text = tower.wait_for("The screen ended by an error of its own (KeyError)")
        assert tower.wait_for_end() == 1
    details = account / "state" / "qtower" / "monitor-error.txt"
    assert str(details) in text
    assert "only-in-a-local" not in text + details.read_text()
    assert "KeyError: 'odd'" in details.read_text()
    assert details.stat().st_mode & 0o777 == 0o600
