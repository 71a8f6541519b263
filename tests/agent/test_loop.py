"""`qtower agent` itself, over real pipes."""

from __future__ import annotations

import json
import os
import queue
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qtower import model
from tests.conftest import Endpoint
from tests.desk.accounts import bells, provider_of

CONFIG = """[accounts.lab]
url = "{url}"
token-file = "{token}"
"""


class Agent:
    """An agent and the lines that it says."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qtower", "agent", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.heard: list[dict[str, Any]] = []
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def say(self, **message: Any) -> None:
        self.say_line(json.dumps(message).encode())

    def say_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message from now on that is wanted; every line must be a message."""
        end = time.monotonic() + 60
        while True:
            message: dict[str, Any] = json.loads(self._lines.get(timeout=end - time.monotonic()))
            self.heard.append(message)
            if wanted(message):
                return message

    def answer(self, number: int) -> dict[str, Any]:
        return self.until(lambda message: message.get("id", 0) == number and "link" not in message)

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)


@pytest.fixture
def lab(home: Path, service: Endpoint) -> Path:
    """A home whose default account is the service of these tests."""
    token = home / "token"
    token.write_text(service.token)
    token.chmod(0o600)
    config = home / "config" / "qtower"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(CONFIG.format(url=service.url, token=token))
    return home


@pytest.fixture
def agent(lab: Path) -> Iterator[Agent]:
    started = Agent()
    yield started
    started.process.kill()
    started.process.wait()


def is_live(message: dict[str, Any]) -> bool:
    return bool(message["type"] == "connection" and message["connection"]["link"] == "live")


def tells_of(job_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: any(row["key"] == job_id for row in message.get("rows", []))


def test_it_greets_then_tells_then_answers(agent: Agent) -> None:
    agent.say(type="hello", id=1)
    welcome = agent.until(lambda message: True)
    assert welcome["id"] == 1
    assert welcome["body"]["version"] == model.PROTOCOL_VERSION
    assert (welcome["body"]["account"], welcome["body"]["pid"]) == ("lab", agent.process.pid)
    agent.until(is_live)
    agent.say(type="backends", id=2)
    names = [backend["name"] for backend in agent.answer(2)["body"]["backends"]]
    assert "ibmq_qasm_simulator" in names
    agent.say(type="details", id=3, key="nothing")
    failure = agent.answer(3)
    assert (failure["type"], failure["error"]) == ("failure", "NotFoundError")
    assert agent.end() == 0


def test_the_journal_comes_before_the_provider_is_loaded(
    agent: Agent, service: Endpoint, lab: Path
) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells(), job_name="early")
    agent.say(type="hello")
    agent.until(
        lambda message: (
            message["type"] == "rows"
            and any(row["key"] == job.job_id() for row in message.get("rows", []))
        )
    )
    assert agent.end() == 0
    again = Agent()
    again.say(type="hello")
    again.until(lambda message: message["type"] == "rows")
    loaded = Path(f"/proc/{again.process.pid}/maps")
    kinds = [message["type"] for message in again.heard]
    assert kinds == ["answer", "rows"]
    assert any(row["key"] == job.job_id() for row in again.heard[1]["rows"])
    if loaded.exists():
        assert "sqlalchemy" not in loaded.read_text()
    assert again.end() == 0


def test_a_second_hello_is_answered_by_all_rows_again(agent: Agent, service: Endpoint) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
    agent.say(type="hello")
    agent.until(tells_of(job.job_id()))
    agent.say(type="hello", id=9)
    agent.answer(9)
    agent.until(tells_of(job.job_id()))


def test_messages_that_are_not_understood_do_no_harm(agent: Agent) -> None:
    agent.say(type="refresh", id=1)
    assert agent.until(lambda message: True)["what"] == "The first message must be a hello."
    agent.say(type="hello", id=2)
    agent.answer(2)
    agent.say_line(b"\xff\x00 nonsense")
    agent.say_line(b"")
    agent.say(type="dance", id=3)
    assert agent.answer(3)["error"] == "AgentError"
    agent.say(type="details", id=4)
    assert "key" in agent.answer(4)["what"]
    agent.say(type="refresh", id=5)
    assert agent.answer(5)["type"] == "answer"


def test_nothing_but_messages_on_stdout_and_no_token_in_the_log(
    agent: Agent, lab: Path, service: Endpoint
) -> None:
    agent.say(type="hello")
    agent.until(is_live)
    assert agent.end() == 0
    assert agent.process.stderr is not None
    assert agent.process.stderr.read() == b""
    (log,) = (lab / "state" / "qtower").glob("agent-*.log")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text()
    assert "pkg_resources" in text, "the provider's warnings are in the log"
    assert service.token not in text


@pytest.mark.parametrize("how", ["eof", "term", "hup", "kill-reader"])
def test_it_ends_at_once(agent: Agent, how: str) -> None:
    agent.say(type="hello", id=1)
    agent.answer(1)  # the provider is being loaded right now
    if how == "eof":
        assert agent.end() == 0
        return
    if how == "kill-reader":
        assert agent.process.stdin is not None
        agent.process.stdin.close()
    else:
        agent.process.send_signal(signal.SIGTERM if how == "term" else signal.SIGHUP)
    assert agent.process.wait(10) == 0


def test_an_account_that_is_not_there_is_said_on_stderr(lab: Path) -> None:
    agent = Agent("--account", "nowhere")
    assert agent.process.wait(30) == 1
    assert agent.process.stderr is not None
    assert b'There is no account "nowhere".' in agent.process.stderr.read()


def test_the_agent_loads_nothing_heavy_before_its_first_words(lab: Path) -> None:
    script = (
        "import sys; import qtower.cli.agent; "
        "print(*(m for m in ('qiskit', 'numpy', 'sqlalchemy', 'requests', 'textual')"
        " if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.strip() == ""
    assert os.environ["HOME"] == str(lab)
