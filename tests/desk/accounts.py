"""Desks on real services, and what they tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qtower.config import CALLS_PER_MINUTE, LOCAL_CALLS_PER_MINUTE, Account, Keeping
from qtower.desk.desk import Desk
from qtower.model import (
    Connected,
    Connection,
    Event,
    JobRow,
    Link,
    Notice,
    Rows,
    Sending,
    UnsentSet,
)
from tests.conftest import Endpoint


class Ear:
    """A listener that keeps what it hears: rows by key, as a screen would."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rows: dict[str, JobRow] = {}
        self.links: list[Connection] = []
        self.notices: list[Notice] = []
        self.sending: list[UnsentSet] = []
        self._heard = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._heard:
            self.events.append(event)
            if isinstance(event, Rows):
                self.rows.update((row.key, row) for row in event.rows)
                for key in event.gone:
                    self.rows.pop(key, None)
            elif isinstance(event, Connected):
                self.links.append(event.connection)
            elif isinstance(event, Sending):
                self.sending = event.sets
            else:
                self.notices.append(event)
            self._heard.notify_all()

    @property
    def link(self) -> Link:
        return self.links[-1].link

    def until(self, condition: Callable[[], Any], seconds: float = 40.0) -> None:
        """Waits until `condition` holds after something was heard."""
        end = time.monotonic() + seconds
        with self._heard:
            while not condition():
                assert self._heard.wait(end - time.monotonic()), f"not heard: {self.links[-1:]}"


def account_of(endpoint: Endpoint, *, local: bool = True, token: str | None = None) -> Account:
    """The account on a service of these tests; `local` polls it at the local cadence."""
    return Account(
        name="test",
        url=endpoint.url,
        token=token or endpoint.token,
        local_service=local,
        calls_per_minute=LOCAL_CALLS_PER_MINUTE if local else CALLS_PER_MINUTE,
    )


@contextmanager
def open_desk(
    connect: Callable[[], Account], state: Path, keeping: Keeping | None = None
) -> Iterator[tuple[Desk, Ear]]:
    """An open desk and its ear."""
    ear = Ear()
    desk = Desk("test", connect, ear, state_dir=state, keeping=keeping)
    desk.open()
    try:
        yield desk, ear
    finally:
        desk.close()


def provider_of(endpoint: Endpoint) -> Any:
    """A provider of its own, as another program has it."""
    from qtower.desk.account import log_in

    return log_in(account_of(endpoint))


def bells(count: int = 1) -> list[Any]:
    """`count` Bell circuits."""
    from qiskit import QuantumCircuit

    circuits = []
    for number in range(count):
        circuit = QuantumCircuit(2, 2, name=f"bell-{number}")
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure([0, 1], [0, 1])
        circuits.append(circuit)
    return circuits
