"""SIGKILL to the service while real clients submit: what was acknowledged is done, exactly once.

`make test` runs a short form on both databases; with QTOWER_SOAK=1 it is 200 submissions each.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from qiskit import QuantumCircuit
from qiskit.providers.ibmq.exceptions import IBMQError
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from sqlalchemy import select

from qtower.service import statuses
from qtower.service.schema import jobs
from qtower.service.store import Store
from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.service.postgres import Server, free_port, running_server
from tests.service.raw import until

SUBMISSIONS, KILLS = (200, 50) if os.environ.get("QTOWER_SOAK") else (20, 5)
CLIENTS = 4
SHOTS = 300
BITS = 8

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1200)]


class Victim:
    """A service that is killed and started again, always at the same address."""

    def __init__(self, directory: Path, *options: str, password: str = "") -> None:
        self._directory = directory
        self._options = ("--port", str(free_port()), "--workers", "2", *options)
        self._mark = secrets.token_hex(16)  # in the environment of all its processes
        self._environment = {
            **home_environment(directory / "home"),
            "QTOWER_TEST_MARK": self._mark,
            "PGPASSWORD": password,
        }
        self.endpoint = self._start()

    def kill(self) -> None:
        """Kills it; sees to it that no process of it is left; starts it again."""
        self.endpoint.process.kill()
        self.endpoint.process.wait(10)
        assert self.endpoint.process.stdout is not None
        self.endpoint.process.stdout.close()
        until(lambda: not self.processes(), seconds=10)
        self.endpoint = self._start()

    def processes(self) -> list[psutil.Process]:
        """All living processes of this service, whoever is their parent."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("QTOWER_TEST_MARK") == self._mark
        except psutil.Error:
            return False

    def _start(self) -> Endpoint:
        return start_service(self._directory, *self._options, environment=self._environment)


@dataclass
class Work:
    """What the clients have still to submit, and what was acknowledged to them."""

    waiting: list[int]
    acknowledged: list[tuple[int, Any]] = field(default_factory=list)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def has_acknowledged(self, count: int) -> bool:
        """Whether so many submissions were acknowledged."""
        return len(self.acknowledged) >= count

    def submit_all(self, backend: Any) -> None:
        """One client: submits until nothing waits; what failed waits again."""
        while True:
            with self.lock:
                if not self.waiting:
                    return
                number = self.waiting.pop()
            try:
                job = backend.run(_circuit(number), shots=SHOTS, job_name=f"job {number}")
            except IBMQError:
                with self.lock:
                    self.refused += 1
                    self.waiting.append(number)
                continue
            with self.lock:
                self.acknowledged.append((number, job))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_was_acknowledged_ends_exactly_once(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    place: Path | str = tmp_path / "data" / "jobs.sqlite"
    options: list[str] = []
    password = ""
    if database == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        name = server.new_database()
        place, password = server.url(name), server.password
        options = ["--database", server.url(name, password=False)]
    victim = Victim(tmp_path, *options, password=password)
    try:
        work = _submit_under_fire(victim.endpoint, victim.kill)
        results = {number: job.result(timeout=120) for number, job in work.acknowledged}
    finally:
        stop_service(victim.endpoint)
    until(lambda: not victim.processes(), seconds=10)
    _check(work, results, place)


def test_nothing_is_lost_when_the_database_server_is_killed(tmp_path: Path) -> None:
    with running_server() as server:
        name = server.new_database()
        address = server.url(name, password=False)
        victim = Victim(tmp_path, "--database", address, password=server.password)

        def kill() -> None:
            server.stop()
            server.start()

        try:
            work = _submit_under_fire(victim.endpoint, kill)
            results = {number: job.result(timeout=120) for number, job in work.acknowledged}
        finally:
            stop_service(victim.endpoint)
        _check(work, results, server.url(name))


def _submit_under_fire(endpoint: Endpoint, kill: Callable[[], None]) -> Work:
    """Submits all jobs from several clients, and kills again and again meanwhile."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # shown with a failure
    chance = random.Random(seed)
    work = Work(list(range(SUBMISSIONS)))
    clients = []
    for _ in range(CLIENTS):
        provider = IBMQFactory().enable_account(endpoint.token, endpoint.url)
        backend = provider.get_backend("ibmq_qasm_simulator")
        clients.append(threading.Thread(target=work.submit_all, args=(backend,), daemon=True))
    for client in clients:
        client.start()
    # After so many acknowledgements, and a moment that falls anywhere into the next ones.
    for after in sorted(chance.randrange(SUBMISSIONS) for _ in range(KILLS)):
        until(partial(work.has_acknowledged, after), seconds=120)
        time.sleep(chance.uniform(0, 0.3))
        kill()
    for client in clients:
        client.join(120)
        assert not client.is_alive()
    return work


def _check(work: Work, results: dict[int, Any], place: Path | str) -> None:
    """Each submission has its own counts, and each acknowledged job one end."""
    assert sorted(results) == list(range(SUBMISSIONS))
    for number, result in results.items():
        assert result.get_counts() == {format(number, f"0{BITS}b"): SHOTS}
    ends = _ends(place)
    assert all(ends[job.job_id()] == ["COMPLETED"] for _, job in work.acknowledged)
    assert all(len(finals) <= 1 for finals in ends.values())
    print(f"{SUBMISSIONS} acknowledged, {KILLS} kills, {work.refused} submitted again")


def _circuit(number: int) -> QuantumCircuit:
    """Gives `number` in bits; a reset in the middle makes Aer simulate every single shot."""
    circuit = QuantumCircuit(BITS + 4, BITS)
    for bit in range(BITS):
        if number >> bit & 1:
            circuit.x(bit)
    for qubit in range(BITS, BITS + 4):
        circuit.h(qubit)
        circuit.reset(qubit)
    circuit.measure(range(BITS), range(BITS))
    return circuit


def _ends(place: Path | str) -> dict[str, list[str]]:
    """The final statuses that each stored job has ever entered."""
    store = Store(place)
    with store._reading.connect() as connection:
        rows = connection.execute(select(jobs.c.id, jobs.c.steps)).all()
    store.close()
    entered = {
        job_id: [line.split(" ")[0] for line in steps.splitlines()] for job_id, steps in rows
    }
    return {
        job_id: [status for status in steps if status in statuses.FINAL]
        for job_id, steps in entered.items()
    }
