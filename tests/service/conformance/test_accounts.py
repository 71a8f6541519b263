"""IBMQFactory and AccountProvider: who one is, where one works, and what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.providers.ibmq.exceptions import (
    IBMQAccountCredentialsNotFound,
    IBMQAccountError,
    IBMQProviderError,
)
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory

from tests.conftest import Endpoint
from tests.service.conformance.conftest import ADA, Lab, place

pytestmark = pytest.mark.filterwarnings("ignore")

PLACES = ["lab/physics/main", "lab/physics/private", "lab/physics/small", "lab/biology/main"]


def path(provider: Any) -> str:
    credentials = provider.credentials
    return f"{credentials.hub}/{credentials.group}/{credentials.project}"


def test_an_account_is_enabled_once_and_can_be_disabled(lab: Lab) -> None:
    factory = IBMQFactory()
    assert factory.active_account() is None
    provider = factory.enable_account(ADA, lab.url)
    assert path(provider) == PLACES[0]
    assert factory.active_account() == {"token": ADA, "url": lab.url}
    with pytest.raises(IBMQAccountError):
        factory.enable_account(ADA, lab.url)
    factory.disable_account()
    assert factory.active_account() is None
    assert factory.providers() == []
    with pytest.raises(IBMQAccountCredentialsNotFound):
        factory.disable_account()
    assert path(factory.enable_account(ADA, lab.url, project="small")) == PLACES[2]


def test_an_account_in_the_environment_is_loaded(
    home: Path, service: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = IBMQFactory()
    assert factory.stored_account() == {}
    with pytest.raises(IBMQAccountCredentialsNotFound):
        factory.load_account()
    monkeypatch.setenv("QE_TOKEN", service.token)
    monkeypatch.setenv("QE_URL", service.url)
    assert path(factory.load_account()) == "ibm-q/open/main"
    assert path(factory.load_account()) == "ibm-q/open/main"  # again, in place of the first


def test_every_place_of_a_user_is_a_provider(ada: IBMQFactory, bob: IBMQFactory) -> None:
    assert [path(found) for found in ada.providers()] == PLACES
    assert [path(found) for found in ada.providers(group="physics")] == PLACES[:3]
    assert [path(found) for found in ada.providers(hub="lab", project="main")] == [
        *(PLACES[0], PLACES[3])
    ]
    assert ada.providers(hub="elsewhere") == []
    assert path(ada.get_provider(project="private")) == PLACES[1]
    assert [path(found) for found in bob.providers()] == ["lab/chemistry/main", PLACES[0]]
    for wanted in ({"hub": "elsewhere"}, {"group": "physics"}, {"group": "chemistry"}):
        with pytest.raises(IBMQProviderError):
            ada.get_provider(**wanted)


def test_backends_are_found_by_what_they_are(provider: Any) -> None:
    everything = provider.backends()
    names = [backend.name() for backend in everything]
    assert len(set(names)) == len(names)
    assert provider.backends(name="ibmq_lima")[0].name() == "ibmq_lima"
    assert provider.backends(name="no_such_backend") == []
    assert all(b.configuration().simulator for b in provider.backends(simulator=True))
    devices = provider.backends(simulator=False, operational=True)
    assert devices
    assert not any(b.configuration().simulator for b in devices)
    large = provider.backends(min_num_qubits=7)
    assert [b for b in everything if b.configuration().n_qubits >= 7] == large
    assert provider.backends(n_qubits=5, filters=lambda b: b.name() == "ibmq_lima")
    assert provider.backends(input_allowed="job") == everything
    assert provider.backends(input_allowed=["job", "runtime"]) == []
    assert provider.backend.ibmq_lima.name() == "ibmq_lima"
    with pytest.raises(QiskitBackendNotFoundError):
        provider.get_backend("no_such_backend")


def test_a_provider_knows_its_services(provider: Any) -> None:
    assert provider.has_service("backend")
    assert not provider.has_service("runtime")
    assert provider.service("backend") is provider.backend
    assert list(provider.services()) == ["backend"]


def test_two_providers_of_one_place_are_equal(ada: IBMQFactory, lab: Lab) -> None:
    again = IBMQFactory().enable_account(ADA, lab.url)
    assert again.credentials.unique_id() == place(ada, PLACES[0]).credentials.unique_id()
