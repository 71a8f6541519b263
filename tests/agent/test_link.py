"""The link, against small agents that behave and misbehave."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from qtower import model
from qtower.agent.link import SILENT, AgentLink, LinkState
from qtower.errors import AgentError, NotFoundError

AGENT = r"""
import json, os, sys, time
say = lambda **m: print(json.dumps(m), flush=True)
def row(key): say(type="rows", rows=[{"key": key}])
for line in sys.stdin:
    ask = json.loads(line)
    kind, number = ask["type"], ask["id"] if "id" in ask else 0
    if kind == "hello":
        BEFORE
        body = dict(version=VERSION, program="toy", account="lab", pid=os.getpid())
        say(type="answer", id=number, body=body)
        row("first")
    elif kind == "details" and ask["key"] == "die":
        os._exit(1)
    elif kind == "details" and ask["key"] == "hang":
        pass
    elif kind == "details":
        words = dict(title="Not found", what="No such job.", next_step="Look again.")
        say(type="failure", id=number, error="NotFoundError", **words)
    elif kind == "files":
        say(type="answer", id=number, body={"files": "nonsense"})
    else:
        say(type="answer", id=number, body=dict(account="lab", endpoint="", link="live", since=1.0))
"""


class Heard:
    """What a link told."""

    def __init__(self) -> None:
        self.events: list[model.Event] = []
        self.states: list[LinkState] = []

    @property
    def rows(self) -> list[str]:
        return [r.key for e in self.events if isinstance(e, model.Rows) for r in e.rows]


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


def toy(before: str = "pass", version: int = model.PROTOCOL_VERSION) -> list[str]:
    script = AGENT.replace("BEFORE", before).replace("VERSION", str(version))
    return [sys.executable, "-c", script]


@asynccontextmanager
async def linked(command: list[str], heard: Heard) -> AsyncIterator[AgentLink]:
    link = AgentLink(command, heard.events.append, heard.states.append)
    await link.start()
    try:
        yield link
    finally:
        await link.close()


async def test_it_asks_hears_and_raises_errors_by_their_class() -> None:
    heard = Heard()
    async with linked(toy(), heard) as link:
        connection = await link.ask(model.Refresh())
        assert isinstance(connection, model.Connection) and connection.link is model.Link.LIVE
        with pytest.raises(NotFoundError) as caught:
            await link.ask(model.GetDetails(key="x"))
        assert (caught.value.what, caught.value.next_step) == ("No such job.", "Look again.")
        with pytest.raises(AgentError, match="not as agreed"):
            await link.ask(model.ReadFiles(paths=[]))
        assert heard.rows == ["first"]
        assert heard.states[-1].up and heard.states[-1].restarts == 0


async def test_answers_find_their_questions_when_many_are_open() -> None:
    heard = Heard()
    async with linked(toy(), heard) as link:
        hanging = asyncio.create_task(link.ask(model.GetDetails(key="hang")))
        answers = await asyncio.gather(*(link.ask(model.Refresh()) for _ in range(50)))
        assert len(answers) == 50 and not hanging.done()
        hanging.cancel()


async def test_an_agent_started_before_the_loop_is_taken_over() -> None:
    heard = Heard()
    process = AgentLink.launch(toy())
    link = AgentLink(toy(), heard.events.append, heard.states.append, process=process)
    await link.start()
    await until(lambda: heard.states)
    assert str(process.pid) in heard.states[0].detail
    await link.close()
    assert process.poll() is not None


async def test_garbage_is_skipped_and_counted() -> None:
    garbage = (
        "print('Traceback (most recent call last):'); print('\\x00\\xff{'); print('{\"type\":9}');"
        'sys.stdout.buffer.write(b\'\\xff\\xfe\\n\'); print(\'{"type": "answer", "id": 77}\')'
    )
    heard = Heard()
    async with linked(toy(garbage), heard) as link:
        assert (await link.ask(model.Refresh())).account == "lab"
        assert link.skipped == 5


@pytest.mark.parametrize("garbage", ["Segmentation fault", '{"type":"rows","rows":[{"ke'])
async def test_garbage_in_the_midst_of_messages_is_told_and_loses_nothing(garbage: str) -> None:
    """It stands where an answer or rows were to come: both are asked of another agent."""
    heard = Heard()
    script = toy()
    branch = 'elif kind == "files"'
    said = f'elif kind == "qobj":\n        print({garbage!r}, flush=True)\n    {branch}'
    script[2] = script[2].replace(branch, said)
    async with linked(script, heard) as link:
        with pytest.raises(AgentError, match="said what is no message"):
            await link.ask(model.GetQobj(key="x"))
        assert (await link.ask(model.Refresh())).account == "lab"
        assert [state.up for state in heard.states] == [True, False, True]
        await until(lambda: heard.rows == ["first", "first"])


async def test_a_message_that_a_death_tears_is_no_garbage() -> None:
    heard = Heard()
    script = toy()
    tear = "print('{', end='', flush=True); os._exit(1)"
    script[2] = script[2].replace("os._exit(1)", tear)
    async with linked(script, heard) as link:
        with pytest.raises(AgentError, match="ended without a word"):
            await link.ask(model.GetDetails(key="die"))


async def test_a_killed_agent_is_started_again() -> None:
    heard = Heard()
    async with linked(toy(), heard) as link:
        await until(lambda: heard.states)
        os.kill(int(heard.states[0].detail.split()[-1]), signal.SIGKILL)
        await until(lambda: len(heard.states) >= 3)
        assert [state.up for state in heard.states] == [True, False, True]
        assert heard.states[2].restarts == 1
        assert (await link.ask(model.Refresh())).account == "lab"
        await until(lambda: heard.rows == ["first", "first"])


async def test_questions_that_a_death_leaves_open_fail() -> None:
    heard = Heard()
    async with linked(toy(), heard) as link:
        with pytest.raises(AgentError, match="ended"):
            await link.ask(model.GetDetails(key="die"))
        assert (await link.ask(model.Refresh())).account == "lab"


async def test_a_question_can_time_out() -> None:
    async with linked(toy(), Heard()) as link:
        with pytest.raises(AgentError, match="did not answer"):
            await link.ask(model.GetDetails(key="hang"), timeout=0.2)


async def test_last_words_are_passed_on() -> None:
    heard = Heard()
    script = "import sys; sys.exit('qtower: There is no account \"x\".')"
    async with linked([sys.executable, "-c", script], heard):
        await until(lambda: heard.states)
    assert not heard.states[0].up
    assert heard.states[0].detail == 'The agent ended: There is no account "x".'


async def test_a_program_that_is_not_there_is_said_so() -> None:
    heard = Heard()
    async with linked(["/nonexistent/qtower", "agent"], heard):
        await until(lambda: heard.states)
    assert "/nonexistent/qtower cannot be started" in heard.states[0].detail


async def test_another_version_is_refused_once_and_for_all() -> None:
    heard = Heard()
    async with linked(toy(version=99), heard) as link:
        with pytest.raises(AgentError, match="version 99"):
            await link.ask(model.Refresh())
        assert [state.up for state in heard.states] == [False]


@pytest.mark.parametrize("stubborn", [False, True])
async def test_close_leaves_no_process(stubborn: bool, tmp_path: Path) -> None:
    child = tmp_path / "child"
    before = "import subprocess; p = subprocess.Popen(['sleep', '600']);"
    before += f"open({str(child)!r}, 'w').write(str(p.pid))"
    if stubborn:
        before += "; import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    process = AgentLink.launch(toy(before))
    link = AgentLink(toy(before), lambda event: None, lambda state: None, process=process)
    await link.start()
    await until(lambda: child.exists() and child.read_text())
    await link.close()
    assert process.poll() is not None
    await until(lambda: _is_gone(int(child.read_text())))


async def test_a_fault_of_the_listener_does_not_stop_the_link() -> None:
    loop, faults = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))

    def fail(event: model.Event) -> None:
        raise ValueError("listener")

    link = AgentLink(toy(), fail, lambda state: None)
    await link.start()
    assert (await link.ask(model.Refresh())).account == "lab"
    await until(lambda: faults)
    await link.close()


def _is_gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[:1]
    except OSError:
        return True


async def test_a_stopped_agent_is_noticed_and_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qtower.agent.link._TICK_SECONDS", 0.05)
    beat = (
        "import threading; beat = lambda: [(time.sleep(0.05), row('b')) for _ in range(10**6)];"
        "threading.Thread(target=beat, daemon=True).start()"
    )
    script = toy(beat)
    script[2] = script[2].replace("pid=os.getpid()", "pid=os.getpid(), heartbeat=0.3")
    heard = Heard()
    async with linked(script, heard):
        await until(lambda: "b" in heard.rows)
        pid = int(heard.states[0].detail.split()[-1])
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: not heard.states[-1].up)
        assert heard.states[-1].detail == SILENT
        os.kill(pid, signal.SIGCONT)
        await until(lambda: heard.states[-1].up)
        assert heard.states[-1].restarts == 0


async def test_an_agent_that_stays_silent_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qtower.agent.link._TICK_SECONDS", 0.05)
    monkeypatch.setattr("qtower.agent.link._GIVE_UP_SECONDS", 1.0)
    script = toy()
    script[2] = script[2].replace("pid=os.getpid()", "pid=os.getpid(), heartbeat=0.1")
    heard = Heard()
    async with linked(script, heard):
        await until(lambda: heard.states and heard.states[-1].restarts)
    assert SILENT in [state.detail for state in heard.states]
