"""Backends of a lab's own choice, from `service.toml` to the real client's results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, pulse, transpile
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory

from tests.conftest import start_service, stop_service

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = """
[backends.clifford_simulator]
device = "simulator"
method = "stabilizer"

[backends.quiet_nairobi]
device = "fake_nairobi"
noise = false

[backends.old_burlington]
device = "fake_burlington"
"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory: Path = tmp_path_factory.mktemp("setups")
    config = directory / "service.toml"
    config.write_text(CONFIG)
    endpoint = start_service(directory, "--workers", "1", "--config", str(config))
    yield IBMQFactory().enable_account(endpoint.token, endpoint.url)
    stop_service(endpoint)


def turned(backend: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return transpile(circuit, backend)


def test_there_are_these_and_no_others(provider: Any) -> None:
    sizes = {backend.name(): backend.configuration().n_qubits for backend in provider.backends()}
    assert sizes == {"clifford_simulator": 32, "quiet_nairobi": 7, "old_burlington": 5}


def test_a_simulator_with_a_method(provider: Any) -> None:
    backend = provider.get_backend("clifford_simulator")
    result = backend.run(turned(backend), shots=100).result()
    assert result.results[0].metadata["method"] == "stabilizer"
    circuit = QuantumCircuit(1)
    circuit.t(0)
    circuit.measure_all()
    assert "stabilizer" in backend.run(circuit, shots=100).error_message()


def test_a_device_without_noise_and_one_with(provider: Any) -> None:
    quiet = provider.get_backend("quiet_nairobi")
    assert quiet.run(turned(quiet), shots=500).result().get_counts() == {"11": 500}
    noisy = provider.get_backend("old_burlington")
    assert len(noisy.run(turned(noisy), shots=2000).result().get_counts()) > 1


def test_pulses_without_noise(provider: Any) -> None:
    pytest.importorskip("qiskit_dynamics", reason="the extra `pulse` is not installed")
    backend = provider.get_backend("quiet_nairobi")
    with pulse.build(backend) as schedule:
        pulse.x(1)
        pulse.barrier(1)
        pulse.measure(1)
    counts = backend.run(schedule, shots=500).result().get_counts()
    assert counts["10"] > 480


def test_no_pulses_where_none_are_published(provider: Any) -> None:
    assert not provider.get_backend("old_burlington").configuration().open_pulse
    assert provider.get_backend("old_burlington").defaults() is None
