"""No token is left anywhere, whatever goes wrong and however much the endpoint gossips.

The endpoint is the real service behind one that puts the tokens that it was shown into every
message of an error. Everything is logged at DEBUG. Then all files, all output and all arguments
of processes are searched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest

from qtower.desk.scrubbing import conceal, scrub
from tests.conftest import Endpoint
from tests.desk.hostile import API_TOKEN, HostileEndpoint, Reply, Request, hostile
from tests.e2e.terminal import Terminal

BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[1];\ncreg c[1];\nmeasure q -> c;\n'

# The program, logging all that it can, with a fault that tells what it knows where `FAULT` is.
LOUD = """
import logging, sys, threading
from qtower.agent import logs
from qtower.desk.desk import Desk

log_by = logs._log_by
def loud(handler):
    log_by(handler)
    logging.getLogger().setLevel(logging.DEBUG)
logs._log_by = loud

def known(desk):
    credentials = desk._session.provider().credentials
    return f"{credentials.token} {credentials.access_token} {credentials!r} {vars(credentials)}"

def fault(desk, request):
    token = known(desk)
    raise RuntimeError(f"a fault with {token}")

def fault_of_a_thread(desk, request):
    def work(token):
        try:
            raise KeyError(token)
        except KeyError as error:
            raise RuntimeError(token) from error
    thread = threading.Thread(target=work, args=(known(desk),))
    thread.start()
    thread.join()
    print("printed", known(desk)[:0])
    raise RuntimeError("after the thread")

from qtower.desk import desk as room
room._METHODS[room.model.GetDetails] = fault
room._METHODS[room.model.GetBackends] = fault_of_a_thread
if "FAULT" in sys.argv:
    sys.argv.remove("FAULT")
    Desk.wait_ready = lambda desk, timeout: fault(desk, None)
sys.argv[0] = "qtower"
from qtower.cli import main
main()
"""

A_FAULT_OF_THE_SCREEN = """
import os, sys
from qtower.cli import main
from qtower.ui.screens.monitor import MonitorScreen

def fault(self, name):
    token = os.environ["QTOWER_TOKEN"]
    raise KeyError(f"odd {token}")

MonitorScreen.action_act = fault
sys.argv = ["qtower"]
main()
"""


class Gossip:
    """Hands requests on to the real service, and answers those of a path by telling on tokens."""

    def __init__(self, service: Endpoint) -> None:
        self._service = service
        self._client = httpx.Client()
        self.server: HostileEndpoint | None = None
        self.secrets = {API_TOKEN}  # that we were shown
        self.on: Callable[[Request], bool] = lambda request: False
        self.status = 400
        self.told = 0

    def __call__(self, request: Request) -> Reply:
        access = request.headers.get("X-Access-Token", "")
        if access:
            self.secrets.add(access)
        if self.on(request):
            self.told += 1
            words = f"no: {' '.join(sorted(self.secrets))} {request.body!r}"[:4000]
            location = {"Location": f"{self.url}/x?access_token={access}"}
            return Reply({"error": {"message": words, "code": 7}}, self.status, location)
        answer = self._client.request(
            request.method,
            f"{self._service.url}{request.path.removeprefix('/api')}",
            params=request.query or None,
            headers={"X-Access-Token": access, "Content-Type": "application/json"},
            content=request.body.replace(API_TOKEN.encode(), self._service.token.encode()),
            timeout=60,
        )
        return Reply(
            answer.content.replace(self._service.url.encode(), self.url.encode()),
            answer.status_code,
        )

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url


class Place:
    """A home with an account at the endpoint, and all that was ever written there."""

    def __init__(self, home: Path, gossip: Gossip) -> None:
        self.home, self.gossip, self.output = home, gossip, ""
        self.directory = home / "config" / "qtower"
        self.directory.mkdir(parents=True)
        self.token_file = self.directory / "token"
        self.token_file.touch(0o600)
        self.token_file.write_text(API_TOKEN)
        (home / "bell.qasm").write_text(BELL)
        self.configure(
            f'url = "{gossip.url}"\ntoken-file = "{self.token_file}"\ncalls-per-minute = 6000'
        )

    def configure(self, entry: str) -> None:
        file = self.directory / "config.toml"
        file.touch(0o600)
        file.write_text(f"[accounts.lab]\n{entry}\n")

    def run(self, *arguments: str, loud: bool = True, **environment: str) -> int:
        """Runs the program and keeps what it writes."""
        command = ["-c", LOUD] if loud else ["-m", "qtower"]
        run = subprocess.run(
            [sys.executable, *command, *arguments],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, **environment},
        )
        self.output += run.stdout + run.stderr
        return run.returncode

    def leaks(self) -> list[str]:
        """Where a token is found, besides its own file."""
        found = ["the output"] if self._tells(self.output.encode()) else []
        for file in self.home.rglob("*"):
            mine = file in (self.token_file, self.directory / "config.toml")
            if file.is_file() and not mine and self._tells(file.read_bytes()):
                found.append(str(file))
        return found

    def _tells(self, content: bytes) -> bool:
        forms = {form for secret in self.gossip.secrets for form in (secret, quote(secret, ""))}
        return any(form.encode() in content for form in forms)


@pytest.fixture
def place(home: Path, service: Endpoint) -> Iterator[Place]:
    gossip = Gossip(service)
    with hostile(gossip) as server:
        gossip.server = server
        yield Place(home, gossip)


def path_ends(*ends: str) -> Callable[[Request], bool]:
    return lambda request: request.path.endswith(ends)


@pytest.mark.parametrize("status", [401, 302])
def test_a_refused_login(place: Place, status: int) -> None:
    place.gossip.on, place.gossip.status = path_ends("/loginWithToken", "/users/me"), status
    assert place.run("list") == 1
    assert place.gossip.told
    assert place.leaks() == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_list_that_is_refused(place: Place, status: int) -> None:
    place.gossip.on, place.gossip.status = path_ends("/Jobs/status/v/1"), status
    assert place.run("list") == 1
    assert place.gossip.told
    assert place.leaks() == []


def test_a_submission_that_is_refused(place: Place) -> None:
    place.gossip.on = lambda request: request.method == "POST" and request.path.endswith("/Jobs")
    assert place.run("submit", str(place.home / "bell.qasm")) == 1
    assert place.gossip.told
    assert "SUBMIT_FAILED" in place.output
    assert place.run("list", "--json") == 0
    assert place.run("unsent", "--json") == 0
    assert place.leaks() == []


def test_a_fault_of_a_command(place: Place) -> None:
    assert place.run("FAULT", "list") == 1
    assert "RuntimeError: a fault with ..." in place.output
    assert place.leaks() == []


def test_faults_of_the_agent(place: Place) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", LOUD, "agent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert agent.stdin is not None
    assert agent.stdout is not None
    assert agent.stderr is not None
    agent.stdin.write(b'{"type":"hello","id":1,"version":1}\n')
    agent.stdin.flush()
    failures: list[str] = []
    for line in agent.stdout:
        place.output += line.decode()
        message = json.loads(line)
        live = message["type"] == "connection" and message["connection"]["link"] == "live"
        if live and not failures:
            failures.append("asked")
            agent.stdin.write(b'{"type":"details","id":2,"key":"k"}\n{"type":"backends","id":3}\n')
            agent.stdin.write(b'{"type":"nonsense","id":4,"token":"%s"}\n' % API_TOKEN.encode())
            agent.stdin.flush()
            processes = [psutil.Process(agent.pid), *psutil.Process(agent.pid).children(True)]
            place.output += str([process.cmdline() for process in processes])
        if message["type"] == "failure":
            failures.append(message["what"])
            if len(failures) == 4:
                break
    agent.stdin.close()
    place.output += agent.stderr.read().decode()
    assert agent.wait(30) == 0
    log = (place.home / "state" / "qtower" / "agent-lab.log").read_text()
    assert "RuntimeError: a fault with ..." in log
    assert "KeyError" in log  # of the thread
    assert "DEBUG" in log
    assert place.leaks() == []


def test_a_crash_of_the_screen(place: Place) -> None:
    with Terminal(
        [sys.executable, "-c", A_FAULT_OF_THE_SCREEN],
        directory=Path.cwd(),
        environment={**os.environ, "QTOWER_TOKEN": API_TOKEN},
        columns=300,
    ) as tower:
        tower.wait_for("live")
        tower.press("n")
        place.output += tower.wait_for("The screen ended by an error of its own (KeyError)")
        assert tower.wait_for_end() == 1
    assert (place.home / "state" / "qtower" / "monitor-error.txt").exists()
    assert place.leaks() == []


@pytest.mark.parametrize(
    "entry",
    [
        f'url = "https://me:{API_TOKEN}@lab.example/api"',
        f'url = "https://lab.example/api?access_token={API_TOKEN}"',
        f'url = "https://[{API_TOKEN}/api"',
        f'url = "https://lab.example:{API_TOKEN}/api"',
        f'url = "https://lab.example/api"\ntoken = ["{API_TOKEN}"]',
        f'url = "https://lab.example/api"\ntoken = "{API_TOKEN}',
        f'url = "https://lab.example/api"\ntoken = "{API_TOKEN} {API_TOKEN}"',
        f'url = "https://lab.example/api"\nhub = "{API_TOKEN}"',
        f"url = \"https://lab.example/api\"\ntoken-command = ['sh', '-c', 'echo {API_TOKEN} x']",
        f'url = "https://lab.example/api"\ntoken-command = "echo \'{API_TOKEN}"',
    ],
)
def test_a_configuration_that_is_wrong(place: Place, entry: str) -> None:
    place.configure(entry)
    assert place.run("list", loud=False) == 1
    assert "Traceback" not in place.output
    assert "qtower: " in place.output
    assert place.leaks() == []


def test_a_token_is_stored_from_standard_input_alone(place: Place) -> None:
    place.token_file.unlink()
    assert _store_token(place) == 0
    assert place.token_file.read_text().strip() == API_TOKEN
    assert place.token_file.stat().st_mode & 0o777 == 0o600
    assert place.run("account", "list") == 0
    assert "token-file" in place.output
    assert place.run("account", "token", "lab", "--remove") == 0
    assert not place.token_file.exists()
    assert place.run("account", "token", "nobody") == 1
    place.configure('url = "https://lab.example/api"')
    assert _store_token(place) == 1  # and this machine has no keyring
    assert "Traceback" not in place.output
    assert place.leaks() == []


def _store_token(place: Place) -> int:
    run = subprocess.run(
        [sys.executable, "-m", "qtower", "account", "token", "lab"],
        input=f"{API_TOKEN}\n",
        capture_output=True,
        text=True,
    )
    place.output += run.stdout + run.stderr
    return run.returncode


def test_what_is_scrubbed() -> None:
    secret = 'se"cr/et+tok\\en'
    conceal(secret)
    for text in (secret, f"a{secret}b", quote(secret, ""), json.dumps(secret), repr(secret)):
        for part in ("cr/et", "cr%2Fet"):
            assert part not in scrub(text)
    conceal("abcd")
    conceal("abcdefgh")
    assert scrub("x abcdefgh y abcd") == "x ... y ..."
    assert scrub("https://me:word@host/p?sig=abc&x=1") == "https://host/p?sig=...&x=..."
