"""The real client in front of two services: one that everybody shares, and a lab's with users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory

from tests.conftest import Endpoint, start_service, stop_service
from tests.service.raw import Api

ADA = "ada-" + "a" * 40
BOB = "bob-" + "b" * 40

_LAB = """
[users.ada]
token-hash = "sha256:{ada}"
projects = ["lab/physics/main", "lab/physics/private", "lab/physics/small", "lab/biology/main"]

[users.bob]
token-hash = "sha256:{bob}"
projects = ["lab/chemistry/main", "lab/physics/main"]

[projects."lab/physics/private"]
read-once = true

[projects."lab/physics/small"]
job-limit = 2

[[reservations]]
backend = "ibmq_lima"
project = "lab/physics/small"
start = {earlier}
end = {before}

[[reservations]]
backend = "ibmq_lima"
project = "lab/physics/main"
start = {before}
end = {after}

[[reservations]]
backend = "ibmq_lima"
project = "lab/biology/main"
start = {after}
end = {later}
mode = "calibration"
"""


@dataclass(frozen=True)
class Lab:
    """A service with two users, one worker, and a reservation that holds now."""

    endpoint: Endpoint
    now: datetime

    @property
    def url(self) -> str:
        return self.endpoint.url


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("lab")
    (directory / "token").write_text("nobody's, because the users are named\n")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    hours = {"earlier": -4, "before": -2, "after": 2, "later": 4}
    dates = {name: (now + timedelta(hours=h)).isoformat() for name, h in hours.items()}
    digests = {
        name: hashlib.sha256(token.encode()).hexdigest()
        for name, token in (("ada", ADA), ("bob", BOB))
    }
    config = directory / "service.toml"
    config.write_text(_LAB.format(**dates, **digests))
    endpoint = start_service(directory, "--workers", "1", "--config", str(config))
    yield Lab(endpoint, now)
    stop_service(endpoint)


@pytest.fixture(scope="session")
def ada(lab: Lab) -> IBMQFactory:
    """One user of the lab, signed in; her default project is the first of four."""
    factory = IBMQFactory()
    factory.enable_account(ADA, lab.url)
    return factory


@pytest.fixture(scope="session")
def bob(lab: Lab) -> IBMQFactory:
    """Another user of the lab, who shares one project with ada."""
    factory = IBMQFactory()
    factory.enable_account(BOB, lab.url)
    return factory


@pytest.fixture
def bob_api(lab: Lab) -> Iterator[Api]:
    """Bob without a client library."""
    user = Api(lab.url, BOB)
    yield user
    user.close()


@pytest.fixture(scope="module")
def device(provider: Any) -> Any:
    return provider.get_backend("ibmq_lima")


def place(factory: IBMQFactory, path: str) -> Any:
    """The provider of hub/group/project."""
    hub, group, project = path.split("/")
    return factory.get_provider(hub=hub, group=group, project=project)
