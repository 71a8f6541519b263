"""Who submits may be killed: the rest is offered, and sent once, by whom a person wants."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from qtower import model
from qtower.desk.arrivals import Arrivals
from qtower.desk.intents import Sending
from qtower.desk.journal import Journal
from tests.cli.conftest import CommandLine
from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.desk.accounts import provider_of
from tests.desk.killing_proxy import KillingProxy
from tests.e2e.terminal import Terminal
from tests.faults import kinds
from tests.faults.proxy import Proxy
from tests.service.raw import Api
from tests.traps import QTOWER, Trap

CIRCUITS = Path(__file__).parents[1] / "circuits"
SOAK = bool(os.environ.get("QTOWER_SOAK"))
BELL = CIRCUITS / "bell.qasm"
_SHELL = {"CREATING", "CANCELLED"}

pytestmark = pytest.mark.filterwarnings("ignore")


class Lab:
    """A user whose account is on a service that takes two unfinished jobs at a time."""

    def __init__(self, endpoint: Endpoint, home: Path) -> None:
        self.home = home
        self._endpoint = endpoint
        self.provider = provider_of(endpoint)
        self.environment = home_environment(home)
        config = home / "config" / "qtower"
        config.mkdir(parents=True)
        (config / "token").write_text(endpoint.token)
        (config / "token").chmod(0o600)
        (config / "config.toml").write_text(
            'default-account = "lab"\n'
            f'[accounts.lab]\nurl = "{endpoint.url}"\ntoken-file = "{config / "token"}"\n'
            "calls-per-minute = 6000\n"
        )
        self.qtower = CommandLine(home)

    def journal(self) -> Journal:
        """The journal, as another process would open it."""
        return Journal("lab", self.home / "state" / "qtower", lambda *_: None)

    def unfinished(self) -> list[Sending]:
        """The sets that are not wholly sent."""
        exists = (self.home / "state" / "qtower").exists()
        return self.journal().intents.unfinished() if exists else []

    def sets(self) -> list[str]:
        """The ids of all sets that were ever journaled."""
        file = self.home / "state" / "qtower" / "journal-lab.db"
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(file)) as connection:
            try:
                found = connection.execute("SELECT set_id FROM submissions").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return []
        return [set_id for (set_id,) in found]

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Jobs take up all the room that there is, until the end of the `with`.

        Jobs whose qobj is still to come do so at no cost.
        """
        api = Api(self._endpoint.url, self._endpoint.token)
        jobs = [api.create()["id"] for _ in range(2)]
        try:
            yield
        finally:
            for job_id in jobs:
                assert api.cancel(job_id) == {"cancelled": True}
            api.close()

    def accepted(self, set_id: str) -> dict[int, list[str]]:
        """The ids of the jobs with a qobj that each part of a set has on the server."""
        found = Arrivals(self.provider, set_id).read()
        get = self.provider._api_client.job_get
        ids = {index: [each["job_id"] for each in found[index]] for index in found}
        return {
            index: [each for each in ids[index] if not set(get(each)["time_per_step"]) <= _SHELL]
            for index in sorted(ids)
        }

    def sent(self, set_id: str) -> dict[int, list[str]]:
        """The id of the job of each part, as the journal has it."""
        parts = self.journal().intents.parts(set_id)
        return {part.intent.index: [part.job_id] for part in parts}

    def processes(self) -> list[psutil.Process]:
        """All that runs in this home."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home):
                    found.append(process)
        return found


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    directory = tmp_path_factory.mktemp("limited")
    endpoint = start_service(directory, "--workers", "1", "--job-limit", "2")
    yield endpoint
    stop_service(endpoint)


@pytest.fixture
def lab(limited: Endpoint, tmp_path: Path) -> Lab:
    return Lab(limited, tmp_path / "home")


def test_a_killed_submit_is_offered_and_the_rest_sent_once(lab: Lab) -> None:
    with lab.full():
        running = lab.qtower.start("submit", BELL, BELL, BELL, "--experiments-per-job", "1")
        (sending,) = wait_until(lab.unfinished)
        running.kill()
        running.communicate()
        set_id = sending.intent.set_id
        listed = lab.qtower("unsent", "--json")
        (offer,) = json.loads(listed.stdout)
        assert (offer["set_id"], offer["jobs"], offer["sent"]) == (set_id, 3, 0)
        assert "none of 3 jobs reached the server: submit all 3, or leave them" in listed.stderr
    sent = lab.qtower("unsent", "send", set_id)
    assert sent.returncode == 0, sent.stderr
    assert len(lab.accepted(set_id)) == 3
    assert lab.accepted(set_id) == lab.sent(set_id)
    assert lab.unfinished() == []


@pytest.mark.parametrize("options", [[], ["--wait"]])
def test_a_submit_whose_first_answer_is_lost_ends_when_its_job_is_there(
    limited: Endpoint, tmp_path: Path, options: list[str]
) -> None:
    """What the first try left, an empty job, is cancelled and removed: that is not the end."""
    proxy = KillingProxy(limited.url)
    lab = Lab(replace(limited, url=proxy.url), tmp_path / "home")
    proxy.arm(1, "asked", lambda: None)  # nobody dies: the line is cut
    run = lab.qtower("submit", BELL, "--json", *options)
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(run.stdout)
    assert row["status"] not in ("CANCELLED", "SUBMIT_FAILED")
    assert json.loads(lab.qtower("unsent", "--json").stdout) == []
    assert lab.accepted(row["set_id"]) == lab.sent(row["set_id"]) == {0: [row["job_id"]]}
    proxy.shutdown()
    proxy.server_close()


def test_a_process_in_the_background_goes_on_and_ends(lab: Lab) -> None:
    with lab.full():
        run = lab.qtower(
            "submit", BELL, BELL, "--experiments-per-job", "1", "--background", "--json"
        )
        assert run.returncode == 0, run.stderr
        set_id = json.loads(run.stdout)[0]["set_id"]
        wait_until(lambda: any(sending.owned for sending in lab.unfinished()))
        assert len(lab.processes()) == 1
        refused = lab.qtower("unsent", "leave", set_id)
        assert (refused.returncode, "Stop it first" in refused.stderr) == (1, True)
    wait_until(lambda: not lab.unfinished())
    wait_until(lambda: not lab.processes())
    assert lab.accepted(set_id) == lab.sent(set_id)


def test_a_process_in_the_background_runs_nothing_of_the_working_directory(
    lab: Lab, tmp_path: Path
) -> None:
    trap = Trap(tmp_path)
    with lab.full():
        run = subprocess.run(
            [QTOWER, "submit", BELL, "--background", "--json"],
            cwd=trap.directory,
            env=lab.environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        wait_until(lambda: any(sending.owned for sending in lab.unfinished()))
    wait_until(lambda: not lab.processes())
    assert lab.unfinished() == []
    assert trap.sprung == []


def test_a_process_in_the_background_outlasts_an_endpoint_that_is_away(
    limited: Endpoint, tmp_path: Path
) -> None:
    proxy = Proxy(limited.url)
    lab = Lab(replace(limited, url=proxy.url), tmp_path / "home")
    with lab.full():
        killed = lab.qtower.start("submit", BELL, BELL, "--experiments-per-job", "1")
        (sending,) = wait_until(lab.unfinished)
        killed.kill()
        killed.communicate()
    set_id = sending.intent.set_id
    with proxy.failing(kinds.reset_before):
        # As `--background` starts it.
        sender = lab.qtower.start("unsent", "send", set_id, "--take-over")
        wait_until(lambda: proxy.met >= 3 or sender.poll() is not None)
        assert sender.poll() is None
        assert lab.unfinished()
    _, said = sender.communicate(timeout=100)
    assert sender.returncode == 0, said
    assert len(lab.accepted(set_id)) == 2
    assert lab.accepted(set_id) == lab.sent(set_id)
    proxy.close()


def test_what_a_person_wants_sent_whatever_happens_goes_on_by_itself(lab: Lab) -> None:
    with lab.full():
        agent = Agent(lab)
        order = model.Order(
            files=[str(BELL)] * 3, backend="ibmq_qasm_simulator", experiments_per_job=1
        )
        plan = agent.ask("plan", order=order)
        sent = agent.ask("submit", plan_id=plan["plan_id"], always=True)
        agent.kill()
        (sending,) = lab.unfinished()
        assert not sending.owned
    agent = Agent(lab)
    wait_until(lambda: not lab.unfinished())
    agent.kill()
    assert len(lab.accepted(sent["set_id"])) == 3
    assert lab.accepted(sent["set_id"]) == lab.sent(sent["set_id"])


def test_a_killed_screen_leaves_no_process_and_an_offer(lab: Lab) -> None:
    command = [sys.executable, "-m", "qtower"]
    with (
        lab.full(),
        Terminal(command, directory=lab.home, environment=lab.environment) as terminal,
    ):
        # The jobs that take up the room are of this account: with jobs in the list, n submits.
        terminal.wait_for("live")
        terminal.press("n")
        terminal.wait_for("Submit circuits")
        terminal.press(str(BELL))
        terminal.wait_for("1 experiment in 1 job")
        terminal.press("ctrl+s")
        (sending,) = wait_until(lab.unfinished)
        os.kill(terminal.process.pid, signal.SIGKILL)
        wait_until(lambda: not lab.processes(), 10)
        assert [each.owned for each in lab.unfinished()] == [False]
    set_id = sending.intent.set_id
    assert lab.qtower("unsent", "leave", set_id).returncode == 0
    assert lab.unfinished() == []
    assert lab.accepted(set_id) == {}


@pytest.mark.skipif(not SOAK, reason="takes minutes: QTOWER_SOAK=1")
@pytest.mark.timeout(7200)
def test_random_kills_of_every_program_lose_and_double_nothing(lab: Lab) -> None:
    """QTOWER_KILLS kills, 150 unless that says otherwise; what is left is sent in the end."""
    kills = int(os.environ.get("QTOWER_KILLS", "150"))
    for number in range(kills):
        kill_program[number % 3](lab, random.uniform(0.0, 2.0))
        if number % 9 == 8:
            lab.qtower("unsent", "send")
    assert lab.qtower("unsent", "send").returncode == 0
    assert lab.unfinished() == []
    sets = lab.sets()
    for set_id in sets:
        assert lab.accepted(set_id) == lab.sent(set_id)
    print(f"{kills} kills, {len(sets)} sets")


def kill_submit(lab: Lab, seconds: float) -> None:
    before = len(lab.sets())
    running = lab.qtower.start("submit", *[BELL] * 6, "--experiments-per-job", "1")
    wait_until(lambda: len(lab.sets()) > before)
    time.sleep(seconds)
    running.kill()
    running.communicate()


def kill_agent(lab: Lab, seconds: float) -> None:
    agent = Agent(lab)
    order = model.Order(files=[str(BELL)] * 6, backend="ibmq_qasm_simulator", experiments_per_job=1)
    agent.ask("submit", plan_id=agent.ask("plan", order=order)["plan_id"])
    time.sleep(seconds)
    agent.kill()


def kill_screen(lab: Lab, seconds: float) -> None:
    """The screen goes on with what others have left, and is killed."""
    command = [sys.executable, "-m", "qtower"]
    with Terminal(command, directory=lab.home, environment=lab.environment) as terminal:
        terminal.wait_for("live")
        terminal.press("U")
        terminal.wait_for("Unsent jobs")
        terminal.press("s")
        terminal.read(seconds)
        os.kill(terminal.process.pid, signal.SIGKILL)
        wait_until(lambda: not lab.processes(), 10)


kill_program = (kill_submit, kill_agent, kill_screen)


class Agent:
    """`qtower agent`, asked one thing after the other."""

    def __init__(self, lab: Lab) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qtower", "agent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=lab.environment,
        )
        self.ask("hello", version=model.PROTOCOL_VERSION)

    def ask(self, kind: str, **fields: Any) -> Any:
        """The body of the answer."""
        assert self._process.stdin and self._process.stdout
        request = {"type": kind, "id": 1, **fields}
        self._process.stdin.write(msgspec.json.encode(request).decode() + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            message = json.loads(line)
            assert message["type"] != "failure", message
            if message["type"] == "answer":
                return message["body"]
        raise AssertionError("the agent ended")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()
