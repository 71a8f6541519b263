"""`qtower agent` itself, over real pipes."""

from __future__ import annotations

import io
import json
import logging
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
from qtower.agent import logs
from qtower.agent.loop import Loop
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


FAULTY = """
import sys
from qtower.agent import logs, loop

class Faulty:
    def __init__(self, listener):
        if sys.argv[1] == "at once":
            raise RuntimeError("out of \\ud83d order")
    def open(self):
        raise RuntimeError("out of \\ud83d order")
    def close(self):
        pass

loop.run("lab", Faulty, sys.stdin.buffer, logs.take_standard(None))
"""


@pytest.mark.parametrize("when", ["at once", "at the greeting"])
def test_a_fault_ends_it_with_a_line_on_stderr(when: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FAULTY, when],
        input=b'{"type": "hello"}\n',
        capture_output=True,
        timeout=60,
    )
    assert run.returncode == 1
    (line,) = run.stderr.decode().splitlines()
    assert line == "qtower: RuntimeError: out of \ufffd order"


class OddDesk:
    """A desk that says what cannot be written, as one of an odd endpoint might."""

    def __init__(self, listener: Callable[[model.Event], None]) -> None:
        self._listener = listener

    def open(self) -> None:
        rows = [model.JobRow(key=key) for key in ("good", "caf\ud83d", "better")]
        self._listener(model.Rows(rows=rows, gone=["\ud83d", "old"]))
        self._listener(model.Notice(level="info", title="\ud83d", text=""))

    def answer(self, request: model.AnyRequest) -> Any:
        return model.Field(label="odd", value="\ud83d")

    def close(self) -> None:
        pass


def test_what_cannot_be_written_silences_only_itself() -> None:
    reader, writer = os.pipe()
    odd: Any = OddDesk
    loop = Loop("lab", odd, writer)
    loop.serve(io.BytesIO(b'{"type": "hello", "id": 1}\n{"type": "refresh", "id": 2}\n'))
    with os.fdopen(reader, "rb") as lines:
        heard = [json.loads(lines.readline()) for _ in range(5)]
    told = [row["key"] for message in heard for row in message.get("rows", [])]
    assert told == ["good", "better"]
    assert [message["gone"] for message in heard if "gone" in message] == [["old"]]
    (failure,) = [message for message in heard if message["type"] == "failure"]
    assert failure["id"] == 2 and "could not be written" in failure["what"]


def test_a_request_for_which_no_thread_can_be_started_ends_no_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def too_many(thread: threading.Thread) -> None:
        if thread.name.startswith("request"):
            raise RuntimeError("can't start new thread")
        start(thread)

    reader, writer = os.pipe()
    odd: Any = OddDesk
    loop = Loop("lab", odd, writer)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", too_many)
        loop.serve(io.BytesIO(b'{"type": "hello", "id": 1}\n{"type": "refresh", "id": 2}\n'))
    with os.fdopen(reader, "rb") as lines:
        heard = [json.loads(lines.readline()) for _ in range(5)]
    (failure,) = [message for message in heard if message["type"] == "failure"]
    assert failure["id"] == 2 and "can't start new thread" in failure["what"]


QUIET = """
import sys
from qtower import model
from qtower.agent import logs, loop

class Quiet:
    def __init__(self, listener):
        self.tell = listener
    def open(self):
        offline = dict(account="lab", endpoint="", link=model.Link.OFFLINE, since=1.0)
        self.tell(model.Connected(connection=model.Connection(**offline)))
    def close(self):
        pass

loop._HEARTBEAT_SECONDS = 0.05
loop.run("lab", Quiet, sys.stdin.buffer, logs.take_standard(None))
"""


def test_an_agent_without_news_is_heard_all_the_same() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", QUIET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as agent:
        assert agent.stdin and agent.stdout
        agent.stdin.write(b'{"type": "hello"}\n')
        agent.stdin.flush()
        heard = [json.loads(agent.stdout.readline()) for _ in range(4)]
        agent.stdin.close()
    assert heard[0]["body"]["heartbeat"] == 0.05
    assert [message["type"] for message in heard[1:]] == ["connection"] * 3


def test_the_log_of_commands_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    log = tmp_path / "commands.log"
    log.touch(0o644)
    logs.leave_stdout(log)
    try:
        root.warning("written")
    finally:
        root.handlers[0].close()
        logging.captureWarnings(False)
    assert "written" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["pipe", "directory", "full disk"])
def test_a_log_that_cannot_be_written_bothers_nobody(kind: str, tmp_path: Path) -> None:
    log = tmp_path / "commands.log"
    if kind == "pipe":
        os.mkfifo(log)
    elif kind == "directory":
        log.mkdir()
    script = (
        "import logging, resource, signal, sys; from pathlib import Path\n"
        "from qtower.agent import logs\n"
        "logs.leave_stdout(Path(sys.argv[1]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "if sys.argv[2] == 'full disk':\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "logging.warning('of no interest')\n"
        "sys.stderr.write('done')\n"
    )
    command = [sys.executable, "-c", script, str(log), kind]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (run.stdout, run.stderr) == ("", "done")
