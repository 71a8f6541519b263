"""A service and a signed-in user of it; the store and the payload files of one without any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qtower.service.payloads import Payloads
from qtower.service.store import Store
from tests.conftest import Endpoint, start_service, stop_service
from tests.service.postgres import Server, running_server
from tests.service.raw import Api

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One for the tests of the service: a desk would watch the jobs that they leave unended."""
    endpoint = start_service(tmp_path_factory.mktemp("service"), "--workers", "2")
    yield endpoint
    stop_service(endpoint)


@pytest.fixture
def api(service: Endpoint) -> Iterator[Api]:
    """One user at the shared service; tests tell their jobs apart by tags of their own."""
    user = Api(service.url, service.token)
    yield user
    user.close()


@pytest.fixture(scope="module")
def provider(service: Endpoint) -> Any:
    """The real client, signed in at the shared service."""
    from qiskit.providers.ibmq.ibmqfactory import IBMQFactory  # takes seconds; few tests need it

    return IBMQFactory().enable_account(service.token, service.url)


@pytest.fixture(scope="module")
def simulator(provider: Any) -> Any:
    return provider.get_backend("ibmq_qasm_simulator")


@pytest.fixture(scope="session")
def bell() -> QuantumCircuit:
    """A Bell pair, measured."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this process's own, started by the first test that asks for it."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may be made: a file, then a fresh database."""
    if request.param == "sqlite":
        return tmp_path / "jobs.sqlite"
    server: Server = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own for each test, on SQLite."""
    opened = Store(tmp_path / "jobs.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path / "payloads")
