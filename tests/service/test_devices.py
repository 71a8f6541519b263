"""The backends, as the provider will read them."""

from __future__ import annotations

import copy
import subprocess
import sys

import msgspec
import pytest

from qtower.service.devices import (
    SIMULATOR,
    Device,
    fake_devices,
    load_device,
    load_devices,
    takes_pulses,
)


@pytest.fixture(scope="module")
def devices() -> dict[str, Device]:
    return load_devices()


def test_a_simulator_and_devices_of_different_sizes(devices: dict[str, Device]) -> None:
    sizes = {name: device.configuration["n_qubits"] for name, device in devices.items()}
    assert sizes == {
        "ibmq_qasm_simulator": 32,
        "ibmq_armonk": 1,
        "ibmq_lima": 5,
        "ibmq_bogota": 5,
        "ibm_lagos": 7,
        "ibmq_guadalupe": 16,
        "ibmq_montreal": 27,
    }
    assert [name for name, device in devices.items() if device.simulator] == [SIMULATOR]


def test_the_simulator_has_neither_properties_nor_defaults(devices: dict[str, Device]) -> None:
    simulator = devices[SIMULATOR]
    assert simulator.properties is None
    assert simulator.defaults is None
    # The provider would put it into every qobj.
    assert "simulation_method" not in simulator.configuration


def test_everything_is_json(devices: dict[str, Device]) -> None:
    for device in devices.values():
        assert msgspec.json.decode(msgspec.json.encode(device), type=Device) == device


def test_the_provider_reads_every_configuration_and_its_data(devices: dict[str, Device]) -> None:
    from qiskit.providers.ibmq.utils.json_decoder import (
        decode_backend_configuration,
        decode_backend_properties,
        decode_pulse_defaults,
    )
    from qiskit.providers.models import (
        BackendProperties,
        PulseBackendConfiguration,
        PulseDefaults,
        QasmBackendConfiguration,
    )

    for device in copy.deepcopy(devices).values():
        decode_backend_configuration(device.configuration)
        assert device.configuration["input_allowed"] == ["job"]
        if device.configuration["open_pulse"]:
            PulseBackendConfiguration.from_dict(device.configuration)
        else:
            QasmBackendConfiguration.from_dict(device.configuration)
        if device.properties is not None:
            decode_backend_properties(device.properties)
            assert BackendProperties.from_dict(device.properties).t1(0) > 0
        if device.defaults is not None:
            decode_pulse_defaults(device.defaults)
            PulseDefaults.from_dict(device.defaults)


def test_one_device_alone_is_the_same(devices: dict[str, Device]) -> None:
    for name, device in devices.items():
        assert load_device(name) == device


def test_a_backend_can_be_any_fake_device_under_any_name() -> None:
    models = {"mine": "fake_nairobi", "old": "fake_burlington", "sim": "simulator"}
    devices = load_devices(models)
    assert list(devices) == list(models)
    mine = devices["mine"]
    assert mine.name == mine.configuration["backend_name"] == "mine"
    assert mine.properties is not None
    assert mine.properties["backend_name"] == "mine"
    assert mine.configuration["n_qubits"] == 7
    assert devices["sim"].simulator
    assert devices["old"].defaults is None
    assert [takes_pulses(device) for device in devices.values()] == [True, False, False]


def test_every_fake_device_can_be_read_by_the_provider() -> None:
    from qiskit.providers.ibmq.utils.json_decoder import (
        decode_backend_configuration,
        decode_backend_properties,
    )

    names = fake_devices()
    assert len(names) > 40
    for stem in names:
        device = load_device(stem, f"fake_{stem}")
        assert 0.1 < device.configuration.get("dt", 1) < 10
        decode_backend_configuration(device.configuration)
        assert device.properties is not None
        decode_backend_properties(device.properties)


@pytest.mark.parametrize("model", ["", "lima", "fake_", "fake_nowhere", "fake_../lima", "fake_."])
def test_a_device_that_is_none_is_named_with_those_that_are(model: str) -> None:
    with pytest.raises(LookupError, match=r"there are simulator, fake_almaden, fake_armonk"):
        load_device("mine", model)


@pytest.mark.parametrize("name", ["", "lima", "_lima", "ibmq_nowhere", "../lima"])
def test_there_is_no_other_device(name: str) -> None:
    with pytest.raises(KeyError):
        load_device(name)


def test_the_service_s_own_process_never_loads_qiskit() -> None:
    program = """
import sys
from qtower.service import devices, engine, local, payloads, qobjs
devices.load_devices()
print([name for name in sys.modules if name.split(".")[0] in ("qiskit", "qiskit_aer", "numpy")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
