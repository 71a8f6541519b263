"""What the screen's tests share: rows, a link that a test speaks through, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from qtower import model
from qtower.agent.link import LinkState
from qtower.errors import AgentError
from qtower.model import Connected, Connection, JobRow, Link, Rows, Status
from qtower.ui.app import TowerApp

NOW = 1_700_000_000.0
"""The time at which everything in these tests happens."""

DEADLINE = 20.0


def job(key: str, status: Status = Status.DONE, **fields: Any) -> JobRow:
    """A job that was made a minute before NOW, unless `fields` say more."""
    values: dict[str, Any] = {
        "name": f"name of {key}",
        "job_id": key,
        "backend": "ibmq_qasm_simulator",
        "created": NOW - 60,
        "since": NOW - 30,
        "shots": 1024,
    }
    return JobRow(key=key, status=status, **{**values, **fields})


def job_set(set_id: str, *statuses: Status, **fields: Any) -> list[JobRow]:
    """A set of one job for each status, one experiment in each."""
    values: dict[str, Any] = {"set_id": set_id, "set_name": f"set {set_id}", **fields}
    return [
        job(
            f"{set_id}/{index}",
            status,
            **{
                "label": f"circuit {index}",
                "job_id": f"{set_id}{index:04}",
                "index": index,
                "start_index": index,
                "end_index": index,
                **values,
            },
        )
        for index, status in enumerate(statuses)
    ]


def connected(link: Link = Link.LIVE, **fields: Any) -> Connected:
    """News of the connection; confirmed at NOW if it is live."""
    values = {
        "account": "local",
        "endpoint": "http://127.0.0.1:8000/api",
        "since": NOW,
        "confirmed": NOW if link is Link.LIVE else None,
        "local_service": True,
    }
    return Connected(connection=Connection(link=link, **{**values, **fields}))


class TestLink:
    """The app's end of a link whose agent is the test: it tells events and answers requests."""

    __test__ = False

    def __init__(self) -> None:
        self.on_event: Callable[[model.Event], None] = lambda event: None
        self.on_state: Callable[[LinkState], None] = lambda state: None
        self.asked: list[model.Request] = []
        self.answers: dict[type[model.Request], Callable[[Any], Any]] = {}
        self.closed = False

    def connect(
        self, on_event: Callable[[model.Event], None], on_state: Callable[[LinkState], None]
    ) -> TestLink:
        """Given to `TowerApp`."""
        self.on_event, self.on_state = on_event, on_state
        return self

    async def start(self) -> None:
        self.on_state(LinkState(up=True))

    async def ask(self, request: model.Request, timeout: float | None = None) -> Any:
        self.asked.append(request)
        if type(request) not in self.answers:
            raise AgentError("This agent has no answer.")
        return self.answers[type(request)](request)

    @property
    def told(self) -> list[model.Request]:
        """What was asked, besides what only tells the agent where a person looks."""
        return [request for request in self.asked if not isinstance(request, model.Look)]

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def link() -> TestLink:
    """A link to the test itself."""
    return TestLink()


@pytest.fixture
def tower(link: TestLink) -> TowerApp:
    """An app whose agent is the test and whose clock stands at NOW."""
    return TowerApp(link.connect, "local", clock=lambda: NOW)


async def until(pilot: Pilot[None], reached: Callable[[], bool], what: str = "") -> None:
    """Lets the app run until `reached()` holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DEADLINE
    while not reached():
        if loop.time() > end:
            raise AssertionError(f"no {what or 'such thing'} on:\n{screen_text(pilot)}")
        await pilot.pause(0.02)


def screen_text(pilot: Pilot[None]) -> str:
    """What stands on the screen, as lines of text."""
    screen = pilot.app.screen
    width, height = screen.size
    lines = screen._compositor.render_strips(screen.size)
    return "\n".join(strip.text.rstrip() for strip in lines[:height] if width)


Told = Callable[..., Awaitable[None]]


@pytest.fixture
def tell(link: TestLink) -> Told:
    """Tells the app events as its agent would, and waits until they are on the screen."""

    async def events(pilot: Pilot[None], *messages: model.Event) -> None:
        for message in messages:
            link.on_event(message)
        app = pilot.app
        assert isinstance(app, TowerApp)
        await until(pilot, lambda: not app.news_waits)
        await pilot.pause()

    return events


def rows(*told: JobRow | list[JobRow], gone: list[str] | None = None) -> Rows:
    """Jobs and sets as one message."""
    flat = [row for part in told for row in (part if isinstance(part, list) else [part])]
    return Rows(rows=flat, gone=gone or [])
