"""What a backend accepts, and the sentence and code for what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qtower.service.devices import SIMULATOR, Device, load_device
from qtower.service.qobjs import InvalidQobj, check_qobj

Json = dict[str, Any]


@pytest.fixture(scope="module")
def simulator() -> Device:
    return load_device(SIMULATOR)


@pytest.fixture(scope="module")
def armonk() -> Device:
    return load_device("ibmq_armonk")


def qobj(**changes: Any) -> Json:
    experiment = {
        "header": {"name": "bell", "n_qubits": 2, "metadata": {"run": 7}},
        "config": {"n_qubits": 2, "memory_slots": 2},
        "instructions": [{"name": "h", "qubits": [0]}],
    }
    return {
        "qobj_id": "an id",
        "schema_version": "1.3.0",
        "type": "QASM",
        "header": {},
        "config": {"shots": 100, "memory": True, "n_qubits": 2},
        "experiments": [experiment],
    } | changes


def check(document: Any, device: Device) -> Any:
    return check_qobj(json.dumps(document).encode(), device)


def refusal(document: Any, device: Device) -> tuple[str, int]:
    with pytest.raises(InvalidQobj) as refused:
        check(document, device)
    assert not refused.value.message.endswith(".")  # the provider adds ". Error code: NNNN."
    return refused.value.message, refused.value.code


def test_what_a_qobj_asks_for(simulator: Device) -> None:
    summary = check(qobj(), simulator)
    assert (summary.kind, summary.experiments, summary.names) == ("QASM", 1, ["bell"])
    assert (summary.shots, summary.memory, summary.qubits, summary.meas_level) == (100, True, 2, 2)


def test_what_a_qobj_leaves_out(simulator: Device) -> None:
    summary = check(
        {"type": "QASM", "config": {}, "experiments": [{"instructions": []}]}, simulator
    )
    assert (summary.shots, summary.memory, summary.names, summary.qubits) == (1024, False, [""], 0)


def test_programs_put_what_they_like_into_the_config(simulator: Device) -> None:
    config = {"shots": 1, "apiToken": "abc", "url": ["x"], "noise_model": {"errors": []}}
    assert check(qobj(config=config), simulator).shots == 1


def test_names_that_are_no_text_are_no_reason_to_refuse(simulator: Device) -> None:
    experiments = [{"instructions": [], "header": {"name": 5}}]
    assert check(qobj(experiments=experiments), simulator).names == [""]


def test_too_many_shots(simulator: Device) -> None:
    message, code = refusal(qobj(config={"shots": 100_001}), simulator)
    assert code == 1103
    assert "number of shots" in message
    assert "(100001)" in message
    assert "(100000)" in message


def test_too_many_shots_of_one_experiment(simulator: Device) -> None:
    # Aer takes an experiment's own shots instead of the qobj's.
    document = qobj()
    document["experiments"][0]["config"]["shots"] = 100_001
    assert refusal(document, simulator)[1] == 1103
    document["experiments"][0]["config"]["shots"] = 0
    assert refusal(document, simulator)[1] == 6001
    document["experiments"][0]["config"]["shots"] = 100_000
    assert check(document, simulator).shots == 100


def test_too_many_experiments(simulator: Device) -> None:
    message, code = refusal(qobj(experiments=qobj()["experiments"] * 301), simulator)
    assert code == 1102
    assert "number of experiments" in message
    assert "(301)" in message


def test_no_shots_and_no_experiments(simulator: Device) -> None:
    assert refusal(qobj(config={"shots": 0}), simulator)[1] == 6001
    assert refusal(qobj(experiments=[]), simulator)[1] == 6003


def test_more_qubits_than_there_are(armonk: Device) -> None:
    message, code = refusal(qobj(), armonk)
    assert code == 1109
    assert "(2)" in message
    assert "(1)" in message


def test_pulses_only_where_they_can_be_played(simulator: Device, armonk: Device) -> None:
    pulses = qobj(type="PULSE", config={"shots": 10, "meas_level": 1, "n_qubits": 1})
    pulses["experiments"] = [{"instructions": [], "header": {"name": "x"}}]
    assert refusal(pulses, simulator)[1] == 1108
    summary = check(pulses, armonk)
    assert (summary.kind, summary.meas_level, summary.qubits) == ("PULSE", 1, 1)
    pulses["config"]["meas_level"] = 0
    assert refusal(pulses, armonk) == (
        "Measurement level 0 is not supported by ibmq_armonk, only 1 and 2",
        8009,
    )
    # Its pulses are open, but nothing was published to simulate them with.
    assert refusal(pulses, load_device("ibmq_almaden", "fake_almaden"))[1] == 1108


def test_circuits_are_measured_as_outcomes(simulator: Device) -> None:
    assert refusal(qobj(config={"shots": 1, "meas_level": 1}), simulator)[1] == 8009


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"experiments": []},
        qobj(config={"shots": "secret-value"}),
        qobj(experiments=[{"header": {}}]),
        qobj(experiments="secret-value"),
    ],
)
def test_what_is_no_qobj(simulator: Device, document: Any) -> None:
    message, code = refusal(document, simulator)
    assert code == 1101
    assert "secret-value" not in message


def test_what_is_not_even_json(simulator: Device) -> None:
    for raw in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(InvalidQobj) as refused:
            check_qobj(raw, simulator)
        assert refused.value.code == 1101


def test_a_qobj_without_a_type(simulator: Device) -> None:
    assert refusal(qobj(type=None), simulator)[1] == 8033
    assert refusal(qobj(type="OTHER"), simulator)[1] == 8033


def test_circuits_with_pulses_of_their_own_are_refused_rather_than_run_without(
    armonk: Device,
) -> None:
    gates = {"gates": [{"name": "x", "qubits": [0], "params": [], "instructions": []}]}
    size = {"n_qubits": 1, "memory_slots": 1}
    everywhere = qobj(config={"shots": 10, "calibrations": gates, **size})
    in_one = qobj(config={"shots": 10, **size})
    in_one["experiments"][0] |= {"config": {**size, "calibrations": gates}}
    for document in (everywhere, in_one):
        message, code = refusal(document, armonk)
        assert code == 8011
        assert "for the gate x on qubits [0]" in message
    none = qobj(config={"shots": 10, "calibrations": {"gates": []}, **size})
    none["experiments"][0]["config"] = size
    assert check(none, armonk).kind == "QASM"
